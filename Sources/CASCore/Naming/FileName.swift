/// One component of a path: bytes, which need not be UTF-8, without a slash or NUL.
public struct FileName: Sendable {
    /// The name alone, or a path that ends with it: what a path's last component is takes no memory of its own.
    private let storage: [UInt8]
    private let start: Int

    /// Takes the bytes as they are; a reader of catalogs meets names that no file system would make.
    public init(bytes: [UInt8]) { self.init(endOf: bytes, from: 0) }

    public init(_ text: some StringProtocol) { self.init(bytes: Array(text.utf8)) }

    /// Shares the memory of a path.
    init(endOf path: [UInt8], from start: Int) {
        storage = path
        self.start = start
    }

    /// An array of its own, when the name came out of a path; `withUnsafeBytes` makes none.
    public var bytes: [UInt8] { start == 0 ? storage : Array(storage[start...]) }

    /// Calls `body` with the name where it is.
    public func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try storage.withUnsafeBufferPointer { (bytes) throws(Failure) in
            try body(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: bytes[start...])))
        }
    }

    /// Whether it has these bytes.
    package func equals(_ other: UnsafeRawBufferPointer) -> Bool {
        withUnsafeBytes { bytes in
            guard bytes.count == other.count else { return false }
            for index in bytes.indices where bytes[index] != other[index] { return false }
            return true
        }
    }

    /// Whether it can stand in a path as an ordinary component: not empty, not `.` or `..`, no slash, no NUL.
    public var isValid: Bool {
        withUnsafeBytes { bytes in
            !bytes.isEmpty && bytes.count <= 255 && !bytes.contains(UInt8(ascii: "/")) && !bytes.contains(0)
                && !(bytes.count <= 2 && bytes.allSatisfy { $0 == UInt8(ascii: ".") })
        }
    }
}

extension FileName: Hashable, Comparable {
    public static func == (left: Self, right: Self) -> Bool { left.withUnsafeBytes { right.equals($0) } }

    public func hash(into hasher: inout Hasher) { withUnsafeBytes { hasher.combine(bytes: $0) } }

    /// By bytes.
    public static func < (left: Self, right: Self) -> Bool {
        left.withUnsafeBytes { left in right.withUnsafeBytes { left.lexicographicallyPrecedes($0) } }
    }
}

extension FileName: ExpressibleByStringLiteral, CustomStringConvertible {
    public init(stringLiteral value: String) { self.init(value) }

    /// The name as text; bytes that are not UTF-8 become U+FFFD.
    public var description: String { withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }
}

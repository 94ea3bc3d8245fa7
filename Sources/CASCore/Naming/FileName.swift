/// One component of a path: bytes, which need not be UTF-8, without a slash or NUL.
public struct FileName: Sendable, Hashable {
    public let bytes: [UInt8]

    /// Takes the bytes as they are; a reader of catalogs meets names that no file system would make.
    public init(bytes: [UInt8]) { self.bytes = bytes }

    public init(_ text: some StringProtocol) { bytes = Array(text.utf8) }

    /// Whether it can stand in a path as an ordinary component: not empty, not `.` or `..`, no slash, no NUL.
    public var isValid: Bool {
        !bytes.isEmpty && bytes.count <= 255 && !bytes.contains(UInt8(ascii: "/")) && !bytes.contains(0)
            && bytes != [UInt8(ascii: ".")] && bytes != [UInt8(ascii: "."), UInt8(ascii: ".")]
    }
}

extension FileName: ExpressibleByStringLiteral, CustomStringConvertible, Comparable {
    public init(stringLiteral value: String) { self.init(value) }

    /// The name as text; bytes that are not UTF-8 become U+FFFD.
    public var description: String { String(decoding: bytes, as: UTF8.self) }

    /// By bytes.
    public static func < (left: Self, right: Self) -> Bool { left.bytes.lexicographicallyPrecedes(right.bytes) }
}

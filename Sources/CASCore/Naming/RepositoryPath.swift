/// An absolute path in a repository: bytes, which need not be UTF-8.
///
/// Always normal: it begins with a slash unless it is the root, which is empty, and has no `.`, `..`, doubled or
/// trailing slash. That is the form whose MD5 is a catalog's key (`key`). Source: format 3, path keys.
public struct RepositoryPath: Sendable, Hashable {
    /// `""` for the root, else `/usr/bin`.
    public let bytes: [UInt8]

    public static let root = RepositoryPath(normal: [])

    private init(normal bytes: [UInt8]) { self.bytes = bytes }

    /// Normalises any path. `..` goes up but never above the root, and no symlink is looked at.
    public init(bytes: some Sequence<UInt8>) {
        // The work itself is not generic, because generic code is slow when another module calls it.
        let normal = bytes.withContiguousStorageIfAvailable { Self.normalised($0) }
        self.bytes = normal ?? Array(bytes).withUnsafeBufferPointer { Self.normalised($0) }
    }

    private static func normalised(_ bytes: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        let slash = UInt8(ascii: "/")
        var normal: [UInt8] = []
        normal.reserveCapacity(bytes.count + 1)
        var rest = bytes[...]
        while let start = rest.firstIndex(where: { $0 != slash }) {
            rest = rest[start...]
            let name = rest[..<(rest.firstIndex(of: slash) ?? rest.endIndex)]
            rest = rest[name.endIndex...]
            if name.count <= 2, name.allSatisfy({ $0 == UInt8(ascii: ".") }) {
                if name.count == 2 { normal.removeLast(normal.count - (normal.lastIndex(of: slash) ?? 0)) }
            } else {
                normal.append(slash)
                normal.append(contentsOf: name)
            }
        }
        return normal
    }

    public init(_ text: some StringProtocol) { self.init(bytes: text.utf8) }

    public var isRoot: Bool { bytes.isEmpty }

    /// The key of the path's row in its catalog.
    public var key: PathKey { PathKey(path: bytes.span.bytes) }

    /// The last component; of the root, an empty name.
    public var name: FileName {
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return FileName(bytes: []) }
        return FileName(endOf: bytes, from: slash + 1)
    }

    /// The directory that holds it; `nil` for the root.
    public var parent: RepositoryPath? {
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return nil }
        return RepositoryPath(normal: Array(bytes[..<slash]))
    }

    public var components: [FileName] {
        bytes.split(separator: UInt8(ascii: "/")).map { FileName(bytes: Array($0)) }
    }

    /// The path of a directory's entry.
    ///
    /// - Parameter name: one component. It is taken as it is, since a catalog's key is made of whatever its row says;
    ///   a name that is not `FileName.isValid` gives a path that is not normal.
    public func appending(_ name: FileName) -> RepositoryPath {
        name.withUnsafeBytes { name in
            var joined: [UInt8] = []
            joined.reserveCapacity(bytes.count + 1 + name.count)
            joined.append(contentsOf: bytes)
            joined.append(UInt8(ascii: "/"))
            joined.append(contentsOf: name)
            return RepositoryPath(normal: joined)
        }
    }

    /// This path followed by all components of another.
    public func appending(_ path: RepositoryPath) -> RepositoryPath { RepositoryPath(normal: bytes + path.bytes) }

    /// This path followed by the components of a text, normalised: `..` in it does not leave this path.
    public func appending(_ text: String) -> RepositoryPath { appending(RepositoryPath(text)) }

    /// Whether this path is `ancestor`, or lies below it.
    public func isInside(_ ancestor: RepositoryPath) -> Bool {
        let length = ancestor.bytes.count
        guard bytes.count == length || bytes.count > length && bytes[length] == UInt8(ascii: "/") else { return false }
        return bytes.withUnsafeBufferPointer { bytes in
            ancestor.bytes.withUnsafeBufferPointer { ancestor in
                (0..<length).allSatisfy { bytes[$0] == ancestor[$0] }
            }
        }
    }

    /// What follows `ancestor`, as a path of its own; `nil` when this path is not inside it.
    public func relative(to ancestor: RepositoryPath) -> RepositoryPath? {
        isInside(ancestor) ? RepositoryPath(normal: Array(bytes[ancestor.bytes.count...])) : nil
    }
}

extension RepositoryPath: ExpressibleByStringLiteral, CustomStringConvertible, Comparable {
    public init(stringLiteral value: String) { self.init(value) }

    /// The path as text, `/` for the root; bytes that are not UTF-8 become U+FFFD.
    public var description: String { isRoot ? "/" : String(decoding: bytes, as: UTF8.self) }

    /// By bytes, which is not the order of a walk: `/a.b` sorts before `/a/b`.
    public static func < (left: Self, right: Self) -> Bool { left.bytes.lexicographicallyPrecedes(right.bytes) }
}

extension RepositoryPath {
    /// All bytes at once: an array feeds them one by one, which costs more than all else in a lookup.
    public func hash(into hasher: inout Hasher) { bytes.withUnsafeBytes { hasher.combine(bytes: $0) } }
}

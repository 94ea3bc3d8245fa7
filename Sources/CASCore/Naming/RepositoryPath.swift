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
        let slash = UInt8(ascii: "/")
        var normal: [UInt8] = []
        normal.reserveCapacity(bytes.underestimatedCount + 1)
        /// Where the component begins that is being read: the place of its slash.
        var component: Int?
        for byte in bytes {
            if byte == slash {
                Self.close(&component, in: &normal)
            } else {
                if component == nil {
                    component = normal.count
                    normal.append(slash)
                }
                normal.append(byte)
            }
        }
        Self.close(&component, in: &normal)
        self.bytes = normal
    }

    /// Ends a component: takes it away again when it is `.`, and the one before it too when it is `..`.
    private static func close(_ component: inout Int?, in normal: inout [UInt8]) {
        guard let start = component else { return }
        component = nil
        let dot = UInt8(ascii: ".")
        let name = normal[(start + 1)...]
        guard name.count <= 2, name.allSatisfy({ $0 == dot }) else { return }
        let isParent = name.count == 2
        normal.removeLast(normal.count - start)
        if isParent { normal.removeLast(normal.count - (normal.lastIndex(of: UInt8(ascii: "/")) ?? 0)) }
    }

    public init(_ text: some StringProtocol) { self.init(bytes: text.utf8) }

    public var isRoot: Bool { bytes.isEmpty }

    /// The key of the path's row in its catalog.
    public var key: PathKey { PathKey(path: bytes.span.bytes) }

    /// The last component; of the root, an empty name.
    public var name: FileName {
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return FileName(bytes: []) }
        return FileName(bytes: Array(bytes[(slash + 1)...]))
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
        var joined: [UInt8] = []
        joined.reserveCapacity(bytes.count + 1 + name.bytes.count)
        joined.append(contentsOf: bytes)
        joined.append(UInt8(ascii: "/"))
        joined.append(contentsOf: name.bytes)
        return RepositoryPath(normal: joined)
    }

    /// This path followed by all components of another.
    public func appending(_ path: RepositoryPath) -> RepositoryPath { RepositoryPath(normal: bytes + path.bytes) }

    /// Whether this path is `ancestor`, or lies below it.
    public func isInside(_ ancestor: RepositoryPath) -> Bool {
        bytes.starts(with: ancestor.bytes)
            && (bytes.count == ancestor.bytes.count || bytes[ancestor.bytes.count] == UInt8(ascii: "/"))
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

/// The number that stands for a file between the kernel and a file system, from its first lookup until it is forgotten.
public struct NodeID: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: UInt64

    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// The folder that is mounted.
    public static let root = NodeID(rawValue: 1)

    public var description: String { String(rawValue) }
}

/// What an open file or folder is known by; the file system chooses it in its answer to OPEN.
public struct FileHandle: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt64

    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// What the kernel sends when there was no OPEN.
    public static let none = FileHandle(rawValue: 0)
}

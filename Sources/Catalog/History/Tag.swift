public import CASCore

/// A named state of a repository. Source: format 4.1.
public struct Tag: Sendable, Hashable {
    public let name: String
    /// The root catalog of that state.
    public let rootHash: ContentHash
    /// The repository's revision.
    public let revision: UInt64
    /// When the root catalog was made, in seconds since 1970.
    public let timestamp: Int64
    public let description: String
    /// Bytes of the uncompressed root catalog; `nil` when the history does not say.
    public let size: Int64?
    /// A classification that is no longer used, 0.
    public let channel: Int64
    /// The branch that the state is on; empty for the default one.
    public let branch: String

    public init(
        name: String, rootHash: ContentHash, revision: UInt64, timestamp: Int64, description: String = "",
        size: Int64? = nil, channel: Int64 = 0, branch: String = ""
    ) {
        self.name = name
        self.rootHash = rootHash
        self.revision = revision
        self.timestamp = timestamp
        self.description = description
        self.size = size
        self.channel = channel
        self.branch = branch
    }

    /// The object with the compressed root catalog.
    public var object: ObjectID { ObjectID(rootHash, kind: .catalog) }

    /// The newest first, by time, then by revision; the name makes the order the same every time.
    static func isNewer(_ left: Tag, _ right: Tag) -> Bool {
        (right.timestamp, right.revision, left.name) < (left.timestamp, left.revision, right.name)
    }
}

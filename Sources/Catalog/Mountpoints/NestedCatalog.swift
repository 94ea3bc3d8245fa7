public import CASCore

/// A catalog that is mounted in another one. Source: format 3.
public struct NestedCatalog: Sendable, Hashable {
    /// Where it is mounted, in the repository.
    public let path: RepositoryPath
    public let hash: ContentHash
    /// Bytes of its uncompressed file; `nil` when the catalog above does not say.
    public let size: Int64?
    /// Whether it is another root catalog, shown here only as long as a tag keeps it: collection, replication and
    /// checks stay out of it.
    public let isBindMountpoint: Bool

    public init(path: RepositoryPath, hash: ContentHash, size: Int64?, isBindMountpoint: Bool = false) {
        self.path = path
        self.hash = hash
        self.size = size
        self.isBindMountpoint = isBindMountpoint
    }

    /// The object with the compressed catalog.
    public var object: ObjectID { ObjectID(hash, kind: .catalog) }
}

public import CASCore
public import Catalog

/// What a snapshot holds at a path: the catalog's row, and where it is.
///
/// All of the row's attributes can be read directly: `entry.size`, `entry.mode`, `entry.kind`.
@dynamicMemberLookup
public struct Entry: Sendable, Hashable {
    /// From the repository's root.
    public let path: RepositoryPath
    public let attributes: CatalogEntry

    public subscript<Value>(dynamicMember attribute: KeyPath<CatalogEntry, Value>) -> Value {
        attributes[keyPath: attribute]
    }

    /// The path's last component; empty for the repository's root.
    public var name: FileName { path.name }
}

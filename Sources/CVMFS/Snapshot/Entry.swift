public import CASCore
public import Catalog

/// What a snapshot holds at a path: the catalog's row, and where it is.
///
/// All of the row's attributes can be read directly: `entry.size`, `entry.mode`, `entry.kind`.
@dynamicMemberLookup
public struct Entry: Sendable {
    /// One piece of memory for all, which the cache of lookups shares: an answer costs one reference.
    final class Storage: Sendable {
        let path: RepositoryPath
        let attributes: CatalogEntry

        init(path: RepositoryPath, attributes: CatalogEntry) {
            self.path = path
            self.attributes = attributes
        }
    }

    let storage: Storage

    init(path: RepositoryPath, attributes: CatalogEntry) {
        storage = Storage(path: path, attributes: attributes)
    }

    /// An entry that the cache remembers.
    init(_ storage: Storage) { self.storage = storage }

    /// From the repository's root.
    public var path: RepositoryPath { storage.path }

    public var attributes: CatalogEntry { storage.attributes }

    public subscript<Value>(dynamicMember attribute: KeyPath<CatalogEntry, Value>) -> Value {
        storage.attributes[keyPath: attribute]
    }

    /// The path's last component; empty for the repository's root.
    public var name: FileName { path.name }
}

extension Entry: Hashable {
    public static func == (left: Self, right: Self) -> Bool {
        left.storage === right.storage || left.path == right.path && left.attributes == right.attributes
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(path)
        hasher.combine(attributes)
    }
}

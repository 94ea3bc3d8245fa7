internal import CASCore
internal import Catalog

/// One catalog of a tree that is being changed.
final class TreeCatalog {
    let path: RepositoryPath
    private(set) weak var parent: TreeCatalog?
    /// As it was stored last; `nil` when it is new.
    let base: NestedCatalog?
    /// Where its file is, if it is unpacked.
    let file: String
    var isUnpacked = false
    /// Whether it, or one nested in it, has changed.
    var isChanged = false
    /// `nil` while it is closed.
    var writer: CatalogWriter?
    /// When it was used last, in calls.
    var lastUse = 0
    /// The catalogs nested in it, by their rows; `nil` before it was opened, a value of `nil` for one not stored yet.
    var nested: [RepositoryPath: NestedCatalog?]?
    /// Those of the nested ones that were used.
    private(set) var children: [RepositoryPath: TreeCatalog] = [:]
    /// What the counters of the catalog above hold of it.
    var accounted = CatalogStatistics.Counters()

    init(at path: RepositoryPath, base: NestedCatalog?, file: String) {
        self.path = path
        self.base = base
        self.file = file
    }

    func adopt(_ child: TreeCatalog) {
        children[child.path] = child
        child.parent = self
    }

    @discardableResult
    func release(_ path: RepositoryPath) -> TreeCatalog? { children.removeValue(forKey: path) }

    /// Notes that it differs from what is stored, and so do those above it.
    func change() {
        var next: TreeCatalog? = self
        while let catalog = next, !catalog.isChanged {
            catalog.isChanged = true
            next = catalog.parent
        }
    }

    /// The path of the nested catalog in which the content of a directory is; `nil` when it is in this one.
    func mountpoint(above directory: RepositoryPath) -> RepositoryPath? {
        guard let nested, !nested.isEmpty, directory.bytes.count > path.bytes.count else { return nil }
        for index in (path.bytes.count + 1)...directory.bytes.count
        where index == directory.bytes.count || directory.bytes[index] == UInt8(ascii: "/") {
            let prefix = RepositoryPath(bytes: directory.bytes[..<index])
            if nested.keys.contains(prefix) { return prefix }
        }
        return nil
    }
}

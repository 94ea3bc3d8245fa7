internal import CASCore
internal import Synchronization

/// The catalogs that a collection deletes.
final class CondemnedCatalogs: Sendable {
    private let catalogs = Mutex<[CatalogWalk.Visited]>([])

    func add(_ catalog: CatalogWalk.Visited) { catalogs.withLock { $0.append(catalog) } }

    var count: Int { catalogs.withLock { $0.count } }

    /// In an order in which no catalog goes before one that it leads to: a nested one's path is longer.
    var deepestFirst: [ContentHash] {
        catalogs.withLock { $0 }.sorted { ($1.isRoot ? 0 : 1, $1.depth) < ($0.isRoot ? 0 : 1, $0.depth) }.map(\.hash)
    }
}

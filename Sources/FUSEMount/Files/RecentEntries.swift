internal import CVMFS
internal import FUSE
internal import Synchronization

/// The rows of nodes that were looked up last, each in the one place that its number gives it.
final class RecentEntries: Sendable {
    /// A row, and the catalog that has it.
    final class Located: Sendable {
        let node: NodeID
        let entry: CatalogEntry
        let catalog: CatalogTree.Mounted

        init(node: NodeID, entry: CatalogEntry, catalog: CatalogTree.Mounted) {
            self.node = node
            self.entry = entry
            self.catalog = catalog
        }
    }

    private static let shards = 8

    private final class Shard: Sendable {
        let places = Mutex([Located?](repeating: nil, count: MountLimits.keptEntries / RecentEntries.shards))
    }

    private let shards = (0..<RecentEntries.shards).map { _ in Shard() }

    subscript(node: NodeID) -> Located? {
        let place = Int(node.slot) / Self.shards
        let found = shards[Int(node.slot) % Self.shards].places.withLock { $0[place % $0.count] }
        return found?.node == node ? found : nil
    }

    func keep(_ located: Located) {
        let place = Int(located.node.slot) / Self.shards
        // What goes is let go of outside the lock.
        let old = shards[Int(located.node.slot) % Self.shards].places.withLock { places -> Located? in
            let index = place % places.count
            let old = places[index]
            places[index] = located
            return old
        }
        _ = old
    }
}

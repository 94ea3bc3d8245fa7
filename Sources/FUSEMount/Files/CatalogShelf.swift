internal import CVMFS
internal import Synchronization

/// Catalogs that hold the rows of nodes and need not be those of the snapshot in use: an open file is of the revision in
/// which it was looked up.
final class CatalogShelf: Sendable {
    struct Key: Hashable {
        let hash: ContentHash
        /// The record of the folder where it is mounted.
        let folder: UInt32
    }

    private struct State {
        var catalogs: [Key: (catalog: CatalogTree.Mounted, lastUse: UInt64)] = [:]
        var clock: UInt64 = 0
    }

    private let state = Mutex(State())

    subscript(key: Key) -> CatalogTree.Mounted? {
        state.withLock { state in
            guard let found = state.catalogs[key] else { return nil }
            state.clock += 1
            state.catalogs[key]?.lastUse = state.clock
            return found.catalog
        }
    }

    func keep(_ catalog: CatalogTree.Mounted, as key: Key) {
        state.withLock { state in
            if state.catalogs.count >= MountLimits.openCatalogs,
                let oldest = state.catalogs.min(by: { $0.value.lastUse < $1.value.lastUse })
            {
                state.catalogs[oldest.key] = nil
            }
            state.clock += 1
            state.catalogs[key] = (catalog, state.clock)
        }
    }

    var count: Int { state.withLock { $0.catalogs.count } }
}

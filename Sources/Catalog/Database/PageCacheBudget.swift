internal import Synchronization

/// The memory in which the open databases of the process keep pages, shared out evenly.
///
/// One catalog by itself should be as fast as SQLite is with its usual 2 MiB; hundreds of them, as a mount has, must not
/// take hundreds of times as much.
enum PageCacheBudget {
    private static let open = Atomic<Int>(0)

    /// Counts a database that has no bound of its own.
    static func join() { open.add(1, ordering: .relaxed) }

    static func leave() { open.subtract(1, ordering: .relaxed) }

    /// What one database may keep, in bytes. It changes only when the number of databases has doubled or halved.
    static var share: Int { share(of: open.load(ordering: .relaxed)) }

    static func share(of count: Int) -> Int {
        var share = CatalogLimits.pageCacheMost
        while share > CatalogLimits.pageCacheLeast, share * count > CatalogLimits.pageCacheBytes { share /= 2 }
        return share
    }
}

/// How much one connection keeps.
struct PageCache: Sendable {
    /// A bound of its own, instead of a share of the budget.
    let bytes: Int?
    /// Further connections of a database get only a part of what the first one gets.
    var part = 1

    var bound: Int { max(64 << 10, (bytes ?? PageCacheBudget.share) / part) }
}

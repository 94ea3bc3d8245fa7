import CVMFS

/// Docs/AlienCache.md
func tieredCache() throws -> TieredStore {
    let cache = TieredStore([
        try AlienCache(at: "/shared/cvmfs-preloaded"),
        try DiskStore(at: "/var/cache/cvmfs", limit: .gibibytes(4)),
    ])
    return cache
}

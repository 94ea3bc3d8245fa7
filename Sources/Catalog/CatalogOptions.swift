/// What an open catalog, history or reflog may cost.
public struct CatalogOptions: Sendable, Hashable {
    /// Bytes of the file that are kept in memory at most, 512 KiB by default. Pages are kept as they are touched, so a
    /// small file costs its size at most.
    ///
    /// A catalog needs some 60 KiB beside them.
    public var cacheBytes: Int

    /// How many threads can look something up at the same time before one waits for another, 4 by default.
    ///
    /// A further connection is opened when two threads meet, keeps a quarter of `cacheBytes`, and is closed by
    /// `releaseMemory()`.
    public var connections: Int

    public init(cacheBytes: Int = 512 << 10, connections: Int = 4) {
        self.cacheBytes = cacheBytes
        self.connections = connections
    }
}

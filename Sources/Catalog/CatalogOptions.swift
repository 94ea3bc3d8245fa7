/// What an open catalog, history or reflog may cost.
public struct CatalogOptions: Sendable, Hashable {
    /// Bytes of the file that are kept in memory at most.
    ///
    /// By default, `nil`, an even share of 32 MiB that all open files of the process have together, at most 2 MiB and at
    /// least 128 KiB. Pages are kept as they are touched, so a small file costs its size at most. Beside them a catalog
    /// needs some 30 KiB.
    public var cacheBytes: Int?

    /// How many threads can look something up at the same time before one waits for another, 4 by default.
    ///
    /// A further connection is opened when two threads meet, may keep a quarter as much, and is closed by
    /// `FileCatalog.releaseMemory()`.
    public var connections: Int

    public init(cacheBytes: Int? = nil, connections: Int = 4) {
        self.cacheBytes = cacheBytes
        self.connections = connections
    }
}

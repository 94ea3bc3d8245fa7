internal import Synchronization

/// What a `DiskStore` has done since it was opened, in this process.
public struct DiskStoreStatistics: Sendable, Hashable {
    /// Look-ups that found the object.
    public var hits: UInt64 = 0
    /// Look-ups that did not.
    public var misses: UInt64 = 0
    /// Objects stored, and their plain bytes.
    public var storedObjects: UInt64 = 0
    public var storedBytes: UInt64 = 0
    /// Objects evicted, and the bytes that they held on the disk.
    public var evictedObjects: UInt64 = 0
    public var evictedBytes: UInt64 = 0
    /// Objects dropped because their files were damaged.
    public var droppedObjects: UInt64 = 0

    public init() {}
}

/// The counters behind it.
final class StoreCounters: Sendable {
    let hits = Atomic<UInt64>(0)
    let misses = Atomic<UInt64>(0)
    let storedObjects = Atomic<UInt64>(0)
    let storedBytes = Atomic<UInt64>(0)
    let evictedObjects = Atomic<UInt64>(0)
    let evictedBytes = Atomic<UInt64>(0)
    let droppedObjects = Atomic<UInt64>(0)

    var statistics: DiskStoreStatistics {
        var values = DiskStoreStatistics()
        values.hits = hits.load(ordering: .relaxed)
        values.misses = misses.load(ordering: .relaxed)
        values.storedObjects = storedObjects.load(ordering: .relaxed)
        values.storedBytes = storedBytes.load(ordering: .relaxed)
        values.evictedObjects = evictedObjects.load(ordering: .relaxed)
        values.evictedBytes = evictedBytes.load(ordering: .relaxed)
        values.droppedObjects = droppedObjects.load(ordering: .relaxed)
        return values
    }
}

internal import Synchronization
public import SystemPackage

/// A cache of objects in a folder of the local disk, shared by any number of processes and repositories.
///
/// Objects are plain files by hash, in the reference's layout, so that the kernel can read, map and execute them.
///
/// **Space.** The store keeps below its limit and leaves a reserve on the disk; what was not used for the longest time
/// is evicted, in the background from nine tenths of the limit on, down to eight tenths. What is open, by any process,
/// and what is pinned is never evicted; when nothing else is left the limit gives way, since a full cache must not be
/// the reason for a read error. Only what is stored counts, not what is being written. An object that alone would fill
/// more than eight tenths is not kept (unless it is pinned): its handle has a file without a name. When processes give
/// one cache different limits, each one makes room by its own.
///
/// **Damage.** An object gets its name when it is complete and verified, in one step, so that a process that is killed
/// leaves nothing. Nothing is synchronised to the disk on the way, since that would cost more than all the rest:
/// instead each object has a checksum, and what was stored before the system last started is read once against it
/// before it is used. After a power failure the last seconds' objects may be missing, never wrong. What remains: a
/// disk that loses writes while the system goes on (one that is pulled out) is found by `verify` only, unless it also
/// changed the file's size; and whoever may write to the folder can put anything into it.
///
/// The folder should be on a local disk: network file systems may lack the locks, and report a full disk too late.
///
/// Source: format 6.2.
public final class DiskStore: ObjectStore {
    public enum Access: Sendable, Hashable {
        case readWrite
        /// Gives what is there. Nothing is written, not even when it was last used, and nothing is dropped.
        case readOnly
    }

    /// Of an object on disk that must be read before it is trusted, so much is read at once on the caller's thread.
    private static let inlineCheckBytes: Int64 = 256 << 10

    private struct Wanted: Hashable {
        let id: ObjectID
        // Part of the key: another's wrong idea of the size must not make this one's flight fail.
        let size: ContentSize
    }

    /// The most that the store keeps.
    public let limit: ByteCount
    let files: ObjectFiles
    private let flights = SingleFlight<Wanted, any StoredObject>()

    /// Opens a cache, and makes it if there is none. Costs milliseconds, however many objects it holds.
    ///
    /// - Parameters:
    ///   - path: the cache's folder. Made with its parents, mode 0700. It belongs to the store alone.
    ///   - limit: the most that is kept, in bytes on the disk; 4 GiB by default, as the reference has it.
    ///   - reserve: space on the disk that is left to others; by default 256 MiB, or a fiftieth of a small disk.
    ///   - access: whether the store may write.
    /// - Throws: `CASError`: `readOnly` when the folder cannot be written and must be, `incompatible` when it holds
    ///   something else, `system`.
    public convenience init(
        at path: FilePath, limit: ByteCount = .gibibytes(4), reserve: ByteCount? = nil, access: Access = .readWrite
    ) throws(CASError) {
        let folder = try CacheFolder(at: path, isWritable: access == .readWrite)
        try self.init(in: folder, limit: limit, reserve: reserve)
    }

    /// - Parameter folder: tests give one that lacks something, or is of another boot.
    package init(in folder: CacheFolder, limit: ByteCount, reserve: ByteCount? = nil) throws(CASError) {
        self.limit = limit
        let usage = try UsageCounters(in: folder)
        let counters = StoreCounters()
        let pins = PinFolder(folder, usage)
        let evictor = Evictor(folder, usage, pins, counters, limit: limit, reserve: reserve)
        files = ObjectFiles(folder, usage, pins, evictor, counters)
        if folder.isWritable, try usage.doubt == .unknown { evictor.startUpkeep() }
    }

    // MARK: ObjectStore

    public func cached(_ id: ObjectID) throws(CASError) -> (any StoredObject)? {
        guard case .found(let object) = try files.lookUp(id) else {
            files.counters.misses.add(1, ordering: .relaxed)
            return nil
        }
        files.counters.hits.add(1, ordering: .relaxed)
        return object
    }

    public func object(
        _ id: ObjectID, size: ContentSize, priority: FetchPriority,
        from source: @escaping @concurrent @Sendable (any ByteSink) async throws -> Void
    ) async throws -> any StoredObject {
        let commits = files.commits(like: id)
        let known = try files.lookUp(id, checkingUpTo: Self.inlineCheckBytes)
        if case .found(let object) = known {
            files.counters.hits.add(1, ordering: .relaxed)
            try size.check(object.size, of: id)
            return object
        }
        files.counters.misses.add(1, ordering: .relaxed)
        return try await flights.value(of: Wanted(id: id, size: size), priority: priority) { [files] in
            // Another flight may have ended since, and what has to be checked first is checked here.
            if !known.isAbsent || files.commits(like: id) != commits, case .found(let object) = try files.lookUp(id) {
                try size.check(object.size, of: id)
                return object
            }
            guard files.folder.isWritable else { throw CASError.storesNothing(id, "cache \(files.folder.path)") }
            let writer = ObjectWriter(id, files)
            let decoder = ContentDecoder(id: id, size: size, output: writer)
            try await source(decoder)
            guard let result = decoder.result else { throw CASError.unfinished(id) }
            return try writer.commit(size: result.size, checksum: result.checksum)
        }
    }

    public func contains(_ id: ObjectID) -> Bool { files.contains(id) }

    public func remove(_ id: ObjectID) throws(CASError) {
        guard files.folder.isWritable else { throw CASError.storesNothing(id, "cache \(files.folder.path)") }
        try files.remove(id)
    }

    public var isReadOnly: Bool { !files.folder.isWritable }

    // MARK: The store as a whole

    public var path: FilePath { files.folder.path }

    public var stateFolder: FilePath? { isReadOnly ? nil : path }

    /// What the store holds: a counter, not a walk, and some objects too high after a process was killed.
    ///
    /// A store that is only read, and has no good counters, is walked.
    public func usage() throws(CASError) -> StoreUsage {
        if files.usage.areKnown { return try files.usage.total }
        var usage = StoreUsage(size: .zero, objects: 0)
        for folder in ObjectFolder.all { usage += try folder.count(in: files.folder).usage }
        return usage
    }

    /// What this process has done with the store since it opened it.
    public var statistics: DiskStoreStatistics { files.counters.statistics }

    /// Waits until everything stored so far is on the disk, so that it outlives a power failure.
    public func synchronize() async throws {
        try await BlockingPool.shared.run { [files] in try files.synchronize() }
    }
}

extension CASError {
    /// A source that returned without an error, but never called `finish()`.
    static func unfinished(_ id: ObjectID) -> CASError {
        CASError(.corruptStream, "object \(id): the source ended before the object was complete")
    }

    /// A store that only gives what it has was asked for more.
    static func storesNothing(_ id: ObjectID, _ store: String) -> CASError {
        CASError(
            .readOnly,
            "object \(id): is not in \(store), which is only read; put a writable store behind it "
                + "(TieredStore)")
    }
}

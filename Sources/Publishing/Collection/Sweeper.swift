internal import CASCore
internal import CPlatform
internal import Glibc
internal import Synchronization
internal import SystemPackage

/// Deletes objects that nobody has renewed since a moment, while others publish. See `SweepGate`.
final class Sweeper: Sendable {
    /// What came of it.
    struct Totals: Sendable {
        var deleted = 0
        var bytes: Int64 = 0
        /// Objects that somebody has stored or renewed since the collection began.
        var spared = 0
    }

    private let storage: LocalStorage
    private let gate: SweepGate
    private let isDryRun: Bool
    private let counts = Mutex(Totals())

    init(_ storage: LocalStorage, _ gate: SweepGate, isDryRun: Bool) {
        self.storage = storage
        self.gate = gate
        self.isDryRun = isDryRun
    }

    var totals: Totals { counts.withLock { $0 } }

    /// How many objects are deleted before writers get a chance: a hundred take a millisecond or two.
    private static let batch = 100

    /// Deletes objects unless their time of modification is `limit` or later, in nanoseconds since 1970.
    ///
    /// - Parameter check: called before each batch; what it throws ends the sweep.
    func delete(_ objects: [ObjectID], unlessModifiedSince limit: Int64, _ check: () throws -> Void) throws {
        var rest = objects[...]
        while !rest.isEmpty {
            let batch = rest.prefix(Self.batch)
            rest = rest.dropFirst(batch.count)
            try check()
            if isDryRun {
                for object in batch { try take(object, limit) }
                continue
            }
            let begin = cplatform_now()
            try gate.exclusive {
                for object in batch { try take(object, limit) }
            }
            // Half of the time is the writers'.
            usleep(UInt32(clamping: min(max(0, cplatform_now() - begin), 1_000_000_000) / 1000))
        }
    }

    private func take(_ object: ObjectID, _ limit: Int64) throws {
        let path = "\(storage.path)/\(object.serverPath)"
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { return }
            throw PublishingError(.storage, "\(path) cannot be looked at", cause: Errno(rawValue: errno))
        }
        guard status.modified < limit else {
            counts.withLock { $0.spared += 1 }
            return
        }
        if !isDryRun { guard try storage.remove(object) else { return } }
        counts.withLock {
            $0.deleted += 1
            $0.bytes += Int64(status.st_size)
        }
    }
}

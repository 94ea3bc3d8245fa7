/// What `DiskStore.verify` has found.
public struct StoreVerification: Sendable, Hashable {
    public struct DamagedObject: Sendable, Hashable {
        public let id: ObjectID
        /// What is wrong with it.
        public let defect: String
    }

    /// Objects read so far, and their bytes; the damaged ones included.
    public var objects: Int64 = 0
    public var bytes: Int64 = 0
    /// Those that were damaged, and have been dropped (unless the store is read-only).
    public var damagedObjects: [DamagedObject] = []
    /// The names of persistent pins whose lists are damaged: they keep nothing until they are set again.
    public var damagedPins: [String] = []

    public init() {}
}

extension DiskStore {
    /// Reads every object against its checksum, without the network, and drops what is damaged.
    ///
    /// Runs on `BlockingPool` and ends between two objects when the task is cancelled; the store can be used meanwhile.
    ///
    /// - Parameter progress: is told what was done so far, up to 256 times.
    /// - Returns: what was found.
    /// - Throws: `CASError` when the folder cannot be read, or `CancellationError`.
    public func verify(
        progress: (@Sendable (StoreVerification) -> Void)? = nil
    ) async throws -> StoreVerification {
        var report = StoreVerification()
        for folder in ObjectFolder.all {
            let before = report
            report = try await BlockingPool.shared.run { [files] in
                var report = before
                for entry in try folder.entries(in: files.folder) {
                    try Task.checkCancellation()
                    report.objects += 1
                    report.bytes += entry.size
                    if let defect = try files.verify(entry) {
                        report.damagedObjects.append(.init(id: entry.id, defect: defect))
                    }
                }
                if files.folder.isWritable { try files.removeOrphanedChecks(in: folder) }
                return report
            }
            progress?(report)
        }
        report.damagedPins = try await BlockingPool.shared.run { [files] in try files.pins.damaged() }
        return report
    }
}

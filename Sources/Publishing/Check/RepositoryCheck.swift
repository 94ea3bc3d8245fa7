internal import CASCore
internal import CPlatform
internal import CVMFS
public import Signing
internal import Synchronization
public import SystemPackage

/// Checks a repository in its storage: the structure of all catalogs of the newest revision, of all tags and of all
/// that the reflog still has; that all they need is there; and every object's bytes against its name.
///
/// Nothing is changed, and nobody is kept from publishing meanwhile. (`Repository.verify` checks as a reader, through
/// any server.) Source: format 4.5.
public struct RepositoryCheck: Sendable {
    private let name: String
    private let path: FilePath
    /// Whether objects are unpacked, too, and their contents' sizes compared with the catalogs'.
    public var unpacksContents = false
    /// The master keys that are believed; `nil`: the manifest is only checked against its own certificate.
    public var masterKeys: [MasterKey]?
    public var clock: @Sendable () -> UnixTime = WallClock.now

    /// - Parameters:
    ///   - repository: its name (fqrn).
    ///   - storage: its own folder, which holds `.cvmfspublished`.
    public init(of repository: String, storage: FilePath) {
        name = repository
        path = storage
    }

    /// - Parameter progress: called now and then with what is done so far.
    /// - Throws: `PublishingError` when the check itself cannot go on; what is wrong is in the report.
    public func run(progress: @escaping @Sendable (CheckReport) -> Void = { _ in }) async throws -> CheckReport {
        try await withTaskExecutorPreference(BlockingPool.shared) { try await check(progress) }
    }

    private func check(_ progress: @escaping @Sendable (CheckReport) -> Void) async throws -> CheckReport {
        let repository = try StoredRepository(name, at: path)
        let scratch = try ReadingScratch()
        var report = CheckReport()
        var root = RootCheck(repository, scratch: scratch.path)
        try root.run(masterKeys: masterKeys, at: clock())
        for defect in root.defects { report.add(defect) }

        let ledger = ReferenceLedger()
        let disagreeing = Mutex<[CheckDefect]>([])
        let catalogs = CatalogsCheck(repository.storage, scratch: scratch.path) { reference in
            guard let other = ledger.add(reference.object, size: reference.size) else { return }
            let defect = CheckDefect(
                .wrongSize, reference.path, reference.object,
                "the catalog gives \(reference.size) bytes here, and \(other) where the object is named first")
            disagreeing.withLock { if $0.count < CheckLimits.defects { $0.append(defect) } }
        }
        let sweep = ObjectSweep(repository.storage, unpacking: unpacksContents ? ledger : nil)
        let roots = root.roots
        let tick: @Sendable () -> Void = {
            var report = CheckReport()
            (report.catalogs, report.entries) = catalogs.progress
            let swept = sweep.found
            (report.objects, report.bytes, report.contentBytes) = (swept.objects, swept.bytes, swept.contentBytes)
            progress(report)
        }
        if unpacksContents {
            // What size a content must have is known first.
            try await catalogs.run(roots)
            try await sweep.run(folderDone: tick)
        } else {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask(executorPreference: BlockingPool.shared) { try await catalogs.run(roots) }
                group.addTask(executorPreference: BlockingPool.shared) { try await sweep.run(folderDone: tick) }
                try await group.waitForAll()
            }
        }
        (report.catalogs, report.entries) = catalogs.progress
        for defect in catalogs.finish() + disagreeing.withLock({ $0 }) { report.add(defect) }
        let swept = sweep.found
        (report.objects, report.bytes, report.contentBytes) = (swept.objects, swept.bytes, swept.contentBytes)
        for catalog in catalogs.catalogs { _ = ledger.add(ObjectID(catalog, kind: .catalog), size: nil) }
        for object in root.objects { _ = ledger.add(object, size: nil) }
        try await compare(repository, scratch, root, ledger, swept, &report)
        return report
    }

    /// Compares what is needed with what is there.
    private func compare(
        _ repository: StoredRepository, _ scratch: ReadingScratch, _ root: RootCheck, _ ledger: ReferenceLedger,
        _ swept: ObjectSweep.Progress, _ report: inout CheckReport
    ) async throws {
        var wrong = swept.damaged
        for number in UInt8.min...UInt8.max {
            try Task.checkCancellation()
            let needed = Set(ledger.sizes(in: number).keys.map { StoredName($0.object) })
            var missing = needed
            for file in try repository.storage.objects(inFolder: number) {
                let name = StoredName(file.object)
                if needed.contains(name) {
                    missing.remove(name)
                } else {
                    report.orphans += 1
                    report.orphanBytes += file.size
                }
            }
            for name in missing {
                wrong.append((ObjectID(name.hash, kind: name.kind), .missingObject, "it is not in the storage"))
            }
        }
        guard !wrong.isEmpty else { return }
        // Only now paths matter: the catalogs are read once more for the first that leads to each.
        let names = Set(wrong.map { StoredName($0.object) })
        let paths = Mutex<[StoredName: RepositoryPath]>([:])
        let search = CatalogsCheck(repository.storage, scratch: scratch.path) { reference in
            let name = StoredName(reference.object)
            guard names.contains(name) else { return }
            paths.withLock { paths in
                if paths[name].map({ reference.path < $0 }) ?? true { paths[name] = reference.path }
            }
        }
        try await search.run(root.roots)
        let found = paths.withLock { $0 }
        // Of a catalog, a certificate or a history it was told already.
        let told = Set(report.defects.compactMap { $0.object.map(StoredName.init) })
        for defect in wrong.sorted(by: { $0.object.hash < $1.object.hash }) {
            let name = StoredName(defect.object)
            if told.contains(name), name.kind != .file, name.kind != .chunk { continue }
            report.add(CheckDefect(defect.kind, found[name], defect.object, defect.detail))
        }
    }
}

/// What an object's file is called.
private struct StoredName: Hashable {
    let hash: ContentHash
    let kind: ObjectKind

    init(_ object: ObjectID) { (hash, kind) = (object.hash, object.kind) }
}

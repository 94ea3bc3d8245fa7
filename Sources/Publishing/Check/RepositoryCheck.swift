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
        var root = RootCheck(repository, scratch: scratch.path)
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
        let tick: @Sendable () -> Void = {
            var report = CheckReport()
            (report.catalogs, report.entries) = catalogs.progress
            let swept = sweep.found
            (report.objects, report.bytes, report.contentBytes) = (swept.objects, swept.bytes, swept.contentBytes)
            progress(report)
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            // What is hashed does not depend on what is needed; what size a content must have is known first. As many
            // threads as there are cores are at work, one of them at the catalogs before it joins the others.
            var sweepers = max(1, Int(cplatform_processor_count()))
            while sweepers > 1, !unpacksContents {
                group.addTask(executorPreference: BlockingPool.shared) { try sweep.work(tick) }
                sweepers -= 1
            }
            try root.run(masterKeys: masterKeys, at: clock())
            try await catalogs.run(root.roots)
            for _ in 0..<sweepers {
                group.addTask(executorPreference: BlockingPool.shared) { try sweep.work(tick) }
            }
            try await group.waitForAll()
        }
        var report = CheckReport()
        for defect in root.defects { report.add(defect) }
        (report.catalogs, report.entries) = catalogs.progress
        for defect in catalogs.finish() + disagreeing.withLock({ $0 }) { report.add(defect) }
        for catalog in catalogs.catalogs { _ = ledger.add(ObjectID(catalog, kind: .catalog), size: nil) }
        for object in root.objects { _ = ledger.add(object, size: nil) }
        let stored = try StoredComparison(repository.storage, sweep, ledger)
        (report.orphans, report.orphanBytes) = (stored.orphans, stored.orphanBytes)
        let swept = sweep.found
        (report.objects, report.bytes, report.contentBytes) = (swept.objects, swept.bytes, swept.contentBytes)
        let wrong = swept.damaged + stored.missing.map { ($0, .missingObject, "it is not in the storage") }
        if !wrong.isEmpty { try await tell(wrong, repository, scratch, root, &report) }
        return report
    }

    /// Tells of objects that are damaged or missing.
    private func tell(
        _ wrong: [(object: ObjectID, kind: CheckDefect.Kind, detail: String)], _ repository: StoredRepository,
        _ scratch: ReadingScratch, _ root: RootCheck, _ report: inout CheckReport
    ) async throws {
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

internal import CASCore
internal import CPlatform
internal import CVMFS
internal import Catalog
internal import Glibc
public import Signing
public import SystemPackage

/// Deletes what no revision needs that is to be kept, while others may publish. Source: format 4.3.
///
/// Kept are the newest revision, those before it that are young or few enough, and every tag's. What the rest of the
/// reflog leads to is deleted, root catalogs last: so whatever ends a collection before its end, the next one goes on
/// where it stopped.
///
/// Other programs may publish meanwhile, and nothing that they use is deleted: see Docs/Decisions.md, Collection.
public struct GarbageCollection: Sendable {
    public let repository: String
    /// The repository's own folder, which holds `.cvmfspublished`.
    public let storage: FilePath

    /// Keeps so many revisions before the newest.
    public var keptRevisions: Int?
    /// Keeps revisions not older than so many seconds, and the one before them. Three days when nothing else is said.
    public var keptSeconds: Int64?
    /// Says what would be deleted, and deletes nothing.
    public var isDryRun = false
    /// Deletes too what no reflog leads to, once it is so many seconds old.
    public var orphanSeconds: Int64?

    /// What the reference keeps when nothing is said: three days.
    public static let defaultKeptSeconds: Int64 = 3 * 86400
    /// An orphan that is younger may be part of what is being copied in by other means.
    public static let defaultOrphanSeconds: Int64 = 86400

    package var reached: @Sendable (CollectionStage) -> Void = { _ in }

    public init(of repository: String, storage: FilePath) {
        self.repository = repository
        self.storage = storage
    }

    /// Collects.
    ///
    /// - Parameters:
    ///   - clock: what the time is, for the age of revisions.
    ///   - progress: called now and then.
    /// - Throws: `PublishingError`: `locked` when another collection is at work, `unsupported` when the repository's
    ///   manifest does not allow it, `corrupt` when something that must be kept cannot be read: then nothing is
    ///   deleted.
    public func run(
        clock: @escaping @Sendable () -> UnixTime = WallClock.now,
        progress: @escaping @Sendable (CollectionReport) -> Void = { _ in }
    ) async throws -> CollectionReport {
        do {
            let collection = try await BlockingPool.shared.run { try OpenCollection(self) }
            return try await collection.run(at: clock(), progress)
        } catch let error as CatalogError {
            throw PublishingError(error, "what \(repository) is to keep cannot be read")
        }
    }
}

/// How far a collection has come; tests kill the process at each.
package enum CollectionStage: String, Sendable, CaseIterable {
    case begun, marked, condemned, batch, objectsSwept, catalogsSwept, reflogAnnounced, reflogReplaced, settled
}

/// What a collection has found and done.
public struct CollectionReport: Sendable, Hashable {
    /// Root catalogs that are kept.
    public internal(set) var keptRoots = 0
    /// Catalogs that are kept, nested ones included.
    public internal(set) var keptCatalogs = 0
    /// Root catalogs that are not.
    public internal(set) var condemnedRoots = 0
    public internal(set) var condemnedCatalogs = 0
    /// Objects that were deleted, or would have been; catalogs included.
    public internal(set) var deletedObjects = 0
    /// Their bytes as stored.
    public internal(set) var deletedBytes: Int64 = 0
    /// Objects that were to go, and that somebody has used again meanwhile.
    public internal(set) var sparedObjects = 0

    public init() {}
}

/// A collection that holds its lock.
private final class OpenCollection: Sendable {
    private let options: GarbageCollection
    private let storage: LocalStorage
    private let state: StateFolder
    private let lock: LockFile
    /// Unpacked catalogs and lists of hashes; nothing in it outlives its collection.
    private let folder: FilePath
    /// What has been stored or renewed since is left alone, in nanoseconds since 1970 by the file system's clock.
    private let epoch: Int64
    private let root: SignedManifest
    private let reflog: Reflog.Content

    init(_ options: GarbageCollection) throws {
        self.options = options
        storage = try LocalStorage(at: options.storage.string)
        state = StateFolder(storage: options.storage)
        guard try storage.read(RootFile.manifest, limit: TrustLimits.manifestBytes) != nil else {
            throw PublishingError(.noRepository, "\(options.storage) holds no repository")
        }
        try state.make()
        lock = try LockFile(opening: state.collectionLock)
        guard try lock.tryLock() else {
            throw PublishingError(.locked, "another collection is at work in \(options.storage)")
        }
        folder = state.path.appending("collection")
        try Self.makeEmpty(folder)

        // In this order: whoever writes before this moment is seen below, or has published by then.
        try lock.replaceContent(with: Array("\(getpid())\n".utf8))
        let now = try lock.modified()
        epoch = min(now, try WriterLock.begin(state) ?? now)
        let commit = try LockFile(state.commitLock, .exclusive)
        defer { commit.unlock() }
        guard let file = try storage.read(RootFile.manifest, limit: TrustLimits.manifestBytes) else {
            throw PublishingError(.noRepository, "\(options.storage)/\(RootFile.manifest) has vanished")
        }
        root = try SignedManifest(file: file)
        let name = root.manifest.name ?? ""
        guard name == options.repository else {
            throw PublishingError(.noRepository, "\(options.storage) holds \(name), not \(options.repository)")
        }
        guard root.manifest.isGarbageCollectable else {
            throw PublishingError(
                .unsupported,
                "\(name) is not garbage-collectable: its owner has promised that nothing goes (cvmfs init --gc)")
        }
        reflog = try Reflog(repository: name, storage: storage, state: state, scratch: folder).read(root.manifest)
    }

    deinit {
        try? Self.makeEmpty(folder)
        lock.unlock()
    }

    func run(at time: UnixTime, _ progress: @Sendable (CollectionReport) -> Void) async throws -> CollectionReport {
        var report = CollectionReport()
        options.reached(.begun)
        let plan = try await BlockingPool.shared.run { try self.plan(at: time) }
        report.keptRoots = plan.kept.count
        report.condemnedRoots = plan.condemned.count
        progress(report)

        // Mark.
        let kept = HashPartitions("kept", in: folder)
        let keptCatalogs = CatalogWalk(storage, scratch: folder)
        try await keptCatalogs.run(
            plan.kept, toleratesAbsence: false, visit: { try kept.add(ObjectID($0.hash, kind: .catalog)) },
            add: { object, _ in try kept.add(object) })
        report.keptCatalogs = keptCatalogs.count
        progress(report)
        options.reached(.marked)

        // Condemn. What is half swept must never be taken for whole again, so it is written down first.
        if !options.isDryRun { try await BlockingPool.shared.run { try self.writeCondemned(plan.condemned) } }
        let condemned = HashPartitions("condemned", in: folder)
        let catalogs = CondemnedCatalogs()
        let walk = CatalogWalk(storage, scratch: folder)
        try await walk.run(
            plan.condemned, skipping: { keptCatalogs.hasSeen($0) }, toleratesAbsence: true,
            visit: { catalogs.add($0) }, add: { object, _ in try condemned.add(object) })
        report.condemnedCatalogs = catalogs.count
        progress(report)
        options.reached(.condemned)

        // Sweep.
        let sweeper = Sweeper(storage, SweepGate(state), isDryRun: options.isDryRun)
        try await sweepPartitions { partition in
            let keep = try kept.hashes(in: partition)
            return try condemned.objects(in: partition).filter { !keep.contains($0.hash) }
        } _: { objects in
            try sweeper.delete(objects, unlessModifiedSince: self.epoch) { try self.beforeBatch() }
        }
        options.reached(.objectsSwept)
        let old = plan.oldReferences.map(\.object)
        try await BlockingPool.shared.run {
            // The deepest first, so that what leads to a catalog goes after it.
            try sweeper.delete(
                catalogs.deepestFirst.map { ObjectID($0, kind: .catalog) } + old, unlessModifiedSince: self.epoch
            ) { try self.beforeBatch() }
        }
        options.reached(.catalogsSwept)
        if let age = options.orphanSeconds {
            try await sweepOrphans(kept, plan, olderThan: age, with: sweeper)
        }
        if !options.isDryRun { try await BlockingPool.shared.run { try self.finish(plan) } }
        options.reached(.settled)
        let totals = sweeper.totals
        report.deletedObjects = totals.deleted
        report.deletedBytes = totals.bytes
        report.sparedObjects = totals.spared
        progress(report)
        return report
    }

    // MARK: What is kept

    private struct Plan: Sendable {
        /// Root catalogs.
        var kept: [ContentHash] = []
        /// Root catalogs, in the order of the reflog.
        var condemned: [ContentHash] = []
        /// Certificates, histories and meta-information that nobody needs.
        var oldReferences: [Reference] = []
    }

    private func plan(at time: UnixTime) throws -> Plan {
        let manifest = root.manifest
        let limit: Int64? =
            if let seconds = options.keptSeconds {
                time.seconds - seconds
            } else if options.keptRevisions == nil {
                time.seconds - GarbageCollection.defaultKeptSeconds
            } else {
                nil
            }
        let halfSwept = try readCondemned()
        var kept: [ContentHash] = []
        var oldest = Int64.max
        var next: ContentHash? = manifest.rootCatalog
        var depth = 0
        while let hash = next, !kept.contains(hash) {
            let object = ObjectID(hash, kind: .catalog)
            if depth > 0 { guard try storage.contains(object), !halfSwept.contains(hash) else { break } }
            kept.append(hash)
            let catalog = try CatalogFile.open(object, in: storage, scratch: folder)
            let entered = reflog.references[hash]?.timestamp ?? catalog.properties.lastModified ?? 0
            oldest = min(oldest, entered)
            let isYoung = limit.map { entered >= $0 } ?? false
            guard depth < options.keptRevisions ?? 0 || isYoung else { break }
            next = catalog.properties.previousRevision
            depth += 1
        }
        var all = Set(kept)
        if let history = manifest.history {
            let tags = try HistoryObject(history, of: options.repository, in: storage, scratch: folder).list
            for tag in tags.sortedTags where all.insert(tag.rootHash).inserted { kept.append(tag.rootHash) }
        }
        var plan = Plan(kept: kept)
        let own = Set([manifest.certificate, manifest.history, manifest.metainfo].compactMap(\.self))
        for reference in reflog.references.values.sorted(by: { ($0.timestamp, $0.hash) < ($1.timestamp, $1.hash) }) {
            if reference.kind == .catalog {
                if !all.contains(reference.hash) { plan.condemned.append(reference.hash) }
            } else if reference.timestamp < oldest, !own.contains(reference.hash) {
                plan.oldReferences.append(reference)
            }
        }
        return plan
    }

    // MARK: Sweeping

    private func beforeBatch() throws {
        try Task.checkCancellation()
        options.reached(.batch)
        // A clock that was set back makes what is renewed now look old.
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        guard Int64(now.tv_sec) >= epoch / 1_000_000_000 - 1 else {
            throw PublishingError(.changed, "the clock was set back; run the collection again when it is right")
        }
    }

    /// Works on the 256 folders of objects, a few at a time.
    private func sweepPartitions(
        _ list: @escaping @Sendable (UInt8) throws -> [ObjectID],
        _ body: @escaping @Sendable ([ObjectID]) throws -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for partition in UInt8.min ... .max {
                if partition >= 2 { try await group.next() }
                group.addTask { try await BlockingPool.shared.run { try body(list(partition)) } }
            }
            try await group.waitForAll()
        }
    }

    private func sweepOrphans(
        _ kept: HashPartitions, _ plan: Plan, olderThan age: Int64, with sweeper: Sweeper
    ) async throws {
        let manifest = root.manifest
        let gone = Set(plan.oldReferences.map(\.hash))
        for reference in reflog.references.values where reference.kind != .catalog && !gone.contains(reference.hash) {
            try kept.add(reference.object)
        }
        for hash in [manifest.certificate, manifest.history, manifest.metainfo, manifest.microCatalog] {
            if let hash { try kept.add(ObjectID(hash)) }
        }
        // However great an age is given: nothing is older than 1970.
        let now = cplatform_now()
        let limit = min(epoch, now - min(max(0, age), now / 1_000_000_000) * 1_000_000_000)
        try await sweepPartitions { [storage] partition in
            let keep = try kept.hashes(in: partition)
            return try storage.objects(inFolder: partition).map(\.object).filter { !keep.contains($0.hash) }
        } _: { objects in
            try sweeper.delete(objects, unlessModifiedSince: limit) { try self.beforeBatch() }
        }
    }

    /// Takes out of the reflog what is gone. Meanwhile others may have put in more, or the same again.
    private func finish(_ plan: Plan) throws {
        let commit = try LockFile(state.commitLock, .exclusive)
        defer { commit.unlock() }
        guard let file = try storage.read(RootFile.manifest, limit: TrustLimits.manifestBytes) else {
            throw PublishingError(.noRepository, "\(options.storage)/\(RootFile.manifest) has vanished")
        }
        let manifest = try SignedManifest(file: file).manifest
        let stored = Reflog(repository: options.repository, storage: storage, state: state, scratch: folder)
        var content = try stored.read(manifest)
        var isChanged = !content.isSound
        for hash in plan.condemned + plan.oldReferences.map(\.hash) {
            guard let reference = content.references[hash], try !storage.contains(reference.object) else { continue }
            content.references[hash] = nil
            isChanged = true
        }
        if isChanged {
            let next = try stored.prepare(content, algorithm: manifest.hashAlgorithm)
            try storage.synchronize()
            try stored.announce(next)
            options.reached(.reflogAnnounced)
            try stored.replace(with: next)
            options.reached(.reflogReplaced)
            try stored.settle(next.hash)
        }
        try StatusFile(storage).set("last_gc", to: WallClock.now())
        _ = state.condemned.withPlatformString { unlink($0) }
    }

    // MARK: What is half swept

    private func writeCondemned(_ roots: [ContentHash]) throws {
        let all = Set(roots).union(try readCondemned())
        let text = all.sorted().map { "\($0)\n" }.joined()
        do {
            try LocalFile.replace(state.condemned, with: Array(text.utf8))
        } catch {
            throw PublishingError(.storage, "\(state.condemned) cannot be written", cause: error)
        }
    }

    private func readCondemned() throws -> Set<ContentHash> { try state.condemnedRoots() }

    private static func makeEmpty(_ folder: FilePath) throws {
        let made = folder.withPlatformString { cplatform_make_folders($0) }
        guard made >= 0 else {
            throw PublishingError(.storage, "\(folder) cannot be made", cause: Errno(rawValue: -made))
        }
        for name in try LocalFile.names(in: folder) ?? [] {
            _ = folder.appending(name).withPlatformString { unlink($0) }
        }
    }
}

extension StateFolder {
    /// The root catalogs that a collection has begun to sweep, and whose revisions may be no longer whole.
    var condemned: FilePath { path.appending("condemned") }

    func condemnedRoots() throws -> Set<ContentHash> {
        let bytes = try LocalFile.read(condemned, limit: PublishingLimits.reflogBytes) ?? []
        return Set(String(decoding: bytes, as: UTF8.self).split(separator: "\n").compactMap { ContentHash($0) })
    }
}

public import CASCore
internal import Catalog
internal import Signing
internal import Synchronization

extension Repository {
    /// Checks the newest revision and all tags on the servers: every catalog, every entry, every object.
    ///
    /// Everything is fetched anew, past the cache, since it is the servers' copy that is in question. Only catalogs are
    /// kept meanwhile, in a store of their own. An object is checked once, however often it is referenced. External
    /// files are not in the repository, so they are not looked at.
    ///
    /// - Parameters:
    ///   - scratch: where catalogs are kept while they are checked; the caller removes it.
    ///   - progress: called now and then with what is done so far.
    /// - Throws: `CVMFSError` when the check itself cannot go on; what is wrong with the repository is in the report.
    public func verify(
        scratch: any ObjectStore, progress: @escaping @Sendable (VerificationReport) -> Void = { _ in }
    ) async throws -> VerificationReport {
        let newest = try await snapshot(.newest)
        let verification = RepositoryVerification(fetcher: fetcher.with(scratch), progress: progress)
        try await withTaskExecutorPreference(BlockingPool.shared) {
            try await verification.run(newest: newest, manifest: trusted?.manifest)
        }
        return verification.report
    }
}

/// One run of a check.
private final class RepositoryVerification: Sendable {
    private struct State {
        var report = VerificationReport()
        // What the catalogs hold in sum, by hash; `.some(nil)` when one could not be read to its end.
        var totals: [ContentHash: CatalogStatistics.Counters?] = [:]
    }

    /// Object checks under way.
    private struct Workers: ~Copyable {
        var group: ThrowingTaskGroup<Void, any Error>
        var running = 0
    }

    private let fetcher: ObjectFetcher
    private let objects: ObjectCheck
    private let progress: @Sendable (VerificationReport) -> Void
    private let state = Mutex(State())

    init(fetcher: ObjectFetcher, progress: @escaping @Sendable (VerificationReport) -> Void) {
        self.fetcher = fetcher
        self.progress = progress
        objects = ObjectCheck(fetcher: fetcher)
    }

    var report: VerificationReport { state.withLock { $0.report } }

    func run(newest: Snapshot, manifest: Manifest?) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            var workers = Workers(group: group)
            var roots = [NestedCatalog(path: .root, hash: newest.rootHash, size: newest.rootCatalogSize)]
            if let manifest {
                if let id = manifest.certificateObject {
                    try await start(
                        id, size: .atMost(CompositionLimits.certificateBytes), at: .root, for: .certificate,
                        from: manifest.serverPath(of: id), in: &workers)
                }
                if let hash = manifest.metainfo {
                    try await start(
                        ObjectID(hash, kind: .metainfo), size: .atMost(CompositionLimits.metainfoBytes), at: .root,
                        for: .metainfo, in: &workers)
                }
                if let hash = manifest.history {
                    roots += try await tagged(ObjectID(hash, kind: .history)).map {
                        NestedCatalog(path: .root, hash: $0.rootHash, size: $0.size)
                    }
                }
            }
            for root in roots {
                // The newest root may be at its alternative path only, so it goes the way it was found.
                let path = root.hash == manifest?.rootCatalog ? manifest?.serverPath(of: root.object) : nil
                _ = try await check(root, mountpoint: nil, from: path, in: &workers)
            }
            try await workers.group.waitForAll()
        }
        progress(report)
    }

    // MARK: Catalogs

    /// Checks a catalog and all below it: what they hold in sum, or `nil` when not all of it could be read.
    private func check(
        _ nested: NestedCatalog, mountpoint: CatalogEntry?, from path: String? = nil, in workers: inout Workers
    ) async throws -> CatalogStatistics.Counters? {
        if let known = state.withLock({ $0.totals[nested.hash] }) { return known }
        let total: CatalogStatistics.Counters?
        do {
            total = try await checkAnew(nested, mountpoint: mountpoint, from: path, in: &workers)
        } catch {
            guard let kind = ObjectCheck.kind(of: error) else { throw error }
            report(Defect(kind: kind, path: nested.path, object: nested.object, detail: "\(error)"))
            total = nil
        }
        state.withLock { $0.totals[nested.hash] = .some(total) }
        return total
    }

    private func checkAnew(
        _ nested: NestedCatalog, mountpoint: CatalogEntry?, from path: String?, in workers: inout Workers
    ) async throws -> CatalogStatistics.Counters? {
        let catalog = try await CatalogTree.open(
            nested.hash, size: nested.size ?? 0, at: nested.path, fetcher: fetcher, serverPath: path
        ).catalog
        state.withLock { $0.report.catalogs += 1 }
        var check = CatalogCheck(catalog)
        while let references = try check.step() {
            try Task.checkCancellation()
            for reference in references {
                try await start(
                    reference.object, size: .exactly(reference.size), at: reference.path, for: reference.reason,
                    in: &workers)
            }
        }
        if let mountpoint { try compare(mountpoint, with: catalog, nested) }
        var subtree: CatalogStatistics.Counters? = CatalogStatistics.Counters()
        for child in try catalog.nestedCatalogs() where !child.isBindMountpoint {
            let total = try await self.check(child, mountpoint: check.mountpoints[child.path], in: &workers)
            subtree = if let total, let sum = subtree { sum + total } else { nil }
        }
        try check.finish(subtree: subtree)
        let (entries, defects, counters) = (check.entries, check.defects, check.counters)
        progress(
            state.withLock { state in
                state.report.entries += entries
                state.report.defects += defects
                return state.report
            })
        return subtree.map { $0 + counters }
    }

    private func compare(
        _ mountpoint: CatalogEntry, with catalog: FileCatalog, _ nested: NestedCatalog
    ) throws(CatalogError) {
        guard let root = try catalog.rootEntry() else { return }
        if root.mode != mountpoint.mode || root.uid != mountpoint.uid || root.gid != mountpoint.gid
            || root.mtime != mountpoint.mtime || root.linkCount != mountpoint.linkCount || !root.isNestedRoot
        {
            report(
                Defect(
                    kind: .nestedMismatch, path: nested.path, object: nested.object,
                    detail: "the root of the nested catalog differs from its mountpoint"))
        }
    }

    private func tagged(_ id: ObjectID) async throws -> [Tag] {
        do {
            let object = try await fetcher.object(id, size: .atMost(CompositionLimits.historyBytes), for: .history)
            let tags = try HistoryDatabase(object).tags()
            state.withLock { $0.report.objects += 1 }
            return tags
        } catch {
            guard let kind = ObjectCheck.kind(of: error) else { throw error }
            report(Defect(kind: kind, path: .root, object: id, detail: "the history: \(error)"))
            return []
        }
    }

    // MARK: Objects

    private func start(
        _ id: ObjectID, size: ContentSize, at path: RepositoryPath, for reason: FetchEvent.Reason,
        from serverPath: String? = nil, in workers: inout Workers
    ) async throws {
        if case .exactly(let bytes) = size {
            switch objects.claim(id, size: bytes) {
            case .new: break
            case .known: return
            case .disagrees(let other):
                return report(
                    Defect(
                        kind: .wrongSize, path: path, object: id,
                        detail: "the catalog gives \(bytes) bytes here, and \(other) where the object is named first"))
            }
        }
        if workers.running >= CompositionLimits.parallelFetches {
            try await workers.group.next()
            workers.running -= 1
        }
        workers.running += 1
        workers.group.addTask { [self] in
            let (bytes, problem) = try await objects.run(id, size: size, at: serverPath, for: reason)
            let report = state.withLock { state in
                state.report.objects += 1
                state.report.bytes += bytes
                if let problem {
                    state.report.defects.append(
                        Defect(kind: problem.kind, path: path, object: id, detail: problem.detail))
                }
                return state.report
            }
            if report.objects % 64 == 0 { progress(report) }
        }
    }

    private func report(_ defect: Defect) { state.withLock { $0.report.defects.append(defect) } }
}

internal import CASCore
internal import CVMFS
internal import Catalog
public import Signing
internal import SystemPackage
public import Transport

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// A copy of a repository that other clients can be served from: a stratum 1.
///
/// ```swift
/// let servers = try FailoverTransport(servers: ["http://s0.example.org/cvmfs/@fqrn@"], repository: name)
/// let replica = Replica(of: name, at: "/srv/cvmfs/\(name)", from: servers, trusting: TrustChain(masterKeys: keys))
/// let report = try await replica.pull()
/// ```
///
/// Source: format 4.4.
public struct Replica: Sendable {
    public let name: String
    /// The repository's own folder here, which gets `.cvmfspublished` and `data`.
    public let path: String
    private let transport: any ObjectTransport
    private let chain: TrustChain
    private let clock: @Sendable () -> UnixTime

    /// - Parameters:
    ///   - name: the repository's name (fqrn).
    ///   - path: the folder of the copy, which is made when it is absent.
    ///   - transport: the server that is copied.
    ///   - chain: whom to believe about the repository.
    ///   - clock: what the time is.
    public init(
        of name: String, at path: String, from transport: any ObjectTransport, trusting chain: TrustChain,
        clock: @escaping @Sendable () -> UnixTime = WallClock.now
    ) {
        self.name = name
        self.path = path
        self.transport = transport
        self.chain = chain
        self.clock = clock
    }

    /// Copies what the repository has now and the replica has not: the newest revision and all tags.
    ///
    /// The replica serves its old revision until everything of the new one is there and durable; then the manifest is
    /// replaced, byte for byte the original's. Interrupted at any point, it goes on from there the next time.
    /// - Parameter progress: called now and then with what is done so far.
    /// - Throws: `PublishingError`: `.unsupported` when the repository must not be copied, `.untrusted`, `.network`,
    ///   `.storage`, `.locked`; `CancellationError`.
    @concurrent
    public func pull(
        progress: @escaping @Sendable (ReplicationReport) -> Void = { _ in }
    ) async throws -> ReplicationReport {
        try await withTaskExecutorPreference(BlockingPool.shared) { try await run(progress) }
    }

    @concurrent private func run(
        _ progress: @escaping @Sendable (ReplicationReport) -> Void
    ) async throws -> ReplicationReport {
        guard (try? RepositoryName(name)) != nil else {
            throw PublishingError(.invalidArgument, "\(name.debugDescription) is no repository's name")
        }
        let storage = try LocalStorage(at: path, creates: true)
        guard try storage.read(RootFile.masterReplica, limit: .max) == nil else {
            throw PublishingError(.exists, "\(path) is an original, no replica: it would be overwritten")
        }
        let state = StateFolder(storage: FilePath(path))
        try state.make()
        let lock = try WriterLock(state, at: clock())
        defer { lock.close() }
        // A catalog that is there is believed to have all that it needs, which a collection on the way would belie.
        let collection = try LockFile(opening: state.collectionLock)
        guard try collection.tryLock() else {
            throw PublishingError(.locked, "garbage is being collected in \(path): wait until it is done")
        }
        defer { collection.unlock() }
        // Also where this copy fails, or one before was killed.
        defer { try? storage.remove(RootFile.isSnapshotting) }
        try storage.removeAbandoned()
        for file in try LocalFile.names(in: state.scratch) ?? [] {
            _ = state.scratch.appending(file).withPlatformString { unlink($0) }
        }
        try await checkPermission()
        let old = try ownManifest(storage)
        let remote = try await RemoteStateReader(
            name: name, transport: transport, chain: chain, time: clock(),
            lastSeen: old.flatMap { old in
                old.manifest.published.flatMap {
                    Breadcrumb(
                        rootCatalog: old.manifest.rootCatalog, published: $0, revision: old.manifest.revision)
                }
            }
        ).read()
        var report: ReplicationReport
        if let old, old.file == remote.manifest {
            report = ReplicationReport()
            report.isUnchanged = true
            if let whitelist = remote.whitelist { try replaceWhitelist(whitelist, storage) }
        } else {
            report = try await copy(remote, after: old?.manifest, storage, state, progress)
        }
        report.revision = remote.trusted.manifest.revision
        report.rootHash = remote.trusted.manifest.rootCatalog
        try writeStatus(storage)
        progress(report)
        return report
    }

    private func copy(
        _ remote: RemoteState, after old: Manifest?, _ storage: LocalStorage, _ state: StateFolder,
        _ progress: @escaping @Sendable (ReplicationReport) -> Void
    ) async throws -> ReplicationReport {
        let manifest = remote.trusted.manifest
        try storage.replace(RootFile.isSnapshotting, with: Array("\(StatusFile.text(clock()))\n".utf8))
        let hasCrashed = try await storage.beginWriting()
        // A collection that was killed has deleted objects of catalogs that are still there.
        let suspects = try hasCrashed || !state.condemnedRoots().isEmpty
        let copy = ObjectCopy(into: storage, from: transport, manifest, suspects: suspects, progress: progress)
        if let certificate = manifest.certificateObject {
            try storage.upload(.bytes(remote.certificate), as: certificate)
        }
        var tags: [Tag] = []
        if let history = manifest.history {
            let object = ObjectID(history, kind: .history)
            let limit = object.compression.mostStoredBytes(ofPlain: PublishingLimits.historyBytes)
            try await copy.copy(object, limit: limit, mayBeGone: false)
            tags = try self.tags(object, storage, state)
        }
        var roots = [manifest.rootCatalog]
        try await copy.copy(root: manifest.rootCatalog, size: manifest.rootCatalogSize, mayBeGone: false)
        // What was published since the last time that all was copied; the first copy begins with the newest.
        let before = try old.map { try reflog(storage, state).read($0).references } ?? [:]
        while old != nil, roots.count < ReplicationLimits.predecessors, let last = roots.last,
            suspects || before[last] == nil, let root = try predecessor(of: last, storage, state), !roots.contains(root)
        {
            try await copy.copy(root: root, size: nil, mayBeGone: true)
            guard try storage.contains(ObjectID(root, kind: .catalog)) else { break }
            roots.append(root)
        }
        for tag in tags where !roots.contains(tag.rootHash) {
            try await copy.copy(root: tag.rootHash, size: tag.size, mayBeGone: manifest.isGarbageCollectable)
            if try storage.contains(ObjectID(tag.rootHash, kind: .catalog)) { roots.append(tag.rootHash) }
        }
        if let metainfo = manifest.metainfo {
            let object = ObjectID(metainfo, kind: .metainfo)
            let limit = object.compression.mostStoredBytes(ofPlain: Int64(PublishingLimits.metainfoBytes))
            try await copy.copy(object, limit: limit, mayBeGone: false)
        }
        if manifest.hasAlternativePaths { try makeAlternatives(manifest, storage) }
        try storage.endWriting()
        try writeReflog(manifest, roots, storage, state)
        if let whitelist = remote.whitelist { try replaceWhitelist(whitelist, storage) }
        try storage.replace(RootFile.manifest, with: remote.manifest)
        return copy.result
    }

    // MARK: Parts

    private func reflog(_ storage: LocalStorage, _ state: StateFolder) -> Reflog {
        Reflog(repository: name, storage: storage, state: state, scratch: state.scratch)
    }

    /// The root catalog that one which is here succeeds.
    private func predecessor(
        of root: ContentHash, _ storage: LocalStorage, _ state: StateFolder
    ) throws -> ContentHash? {
        do {
            return try CatalogFile.open(ObjectID(root, kind: .catalog), in: storage, scratch: state.scratch)
                .properties.previousRevision
        } catch let error as CatalogError {
            throw PublishingError(error, "the catalog \(root) cannot be read")
        }
    }

    private func checkPermission() async throws {
        let sink = MemorySink(limit: Int(ReplicationLimits.markerBytes))
        do {
            let request = TransferRequest(
                RootFile.masterReplica, limit: ReplicationLimits.markerBytes, bypassesCaches: true)
            _ = try await transport.fetch(request, into: sink)
        } catch let error as TransportError where error.code == .notFound {
            throw PublishingError(
                .unsupported,
                "\(name) may not be copied: its server has no \(RootFile.masterReplica) (is it a replica itself?)",
                cause: error)
        } catch let error as TransportError {
            throw PublishingError(.network, "cannot reach the server of \(name)", cause: error)
        }
    }

    /// The manifest that the replica has, if any.
    private func ownManifest(_ storage: LocalStorage) throws -> (file: [UInt8], manifest: Manifest)? {
        guard let file = try storage.read(RootFile.manifest, limit: TrustLimits.manifestBytes) else { return nil }
        let manifest: Manifest
        do {
            manifest = try Manifest(unverified: file)
        } catch {
            throw PublishingError(
                .corrupt, "\(path)/\(RootFile.manifest) is damaged; remove it, and what is here will be used again",
                cause: error)
        }
        guard manifest.name == name else {
            throw PublishingError(
                .noRepository, "\(path) holds \(manifest.name ?? "a repository without a name"), not \(name)")
        }
        return (file, manifest)
    }

    private func tags(_ object: ObjectID, _ storage: LocalStorage, _ state: StateFolder) throws -> [Tag] {
        let file = state.scratchFile("history").string
        defer { unlink(file) }
        try storage.unpack(object, to: file, limit: PublishingLimits.historyBytes)
        do {
            let history = try HistoryDatabase(at: FilePath(file))
            guard history.fqrn == name else {
                throw PublishingError(.corrupt, "the history \(object) is that of \(history.fqrn), not of \(name)")
            }
            return try history.tags()
        } catch let error as CatalogError {
            throw PublishingError(.corrupt, "the history \(object) cannot be read", cause: error)
        }
    }

    /// Symbolic links to the manifest's objects. Source: format 2.2.
    private func makeAlternatives(_ manifest: Manifest, _ storage: LocalStorage) throws {
        var objects = [manifest.rootCatalogObject]
        if let certificate = manifest.certificateObject { objects.append(certificate) }
        if let history = manifest.history { objects.append(ObjectID(history, kind: .history)) }
        if let metainfo = manifest.metainfo { objects.append(ObjectID(metainfo, kind: .metainfo)) }
        for object in objects {
            let link = "\(path)/\(RootFile.alternativePrefix)\(object)"
            guard symlink(object.serverPath, link) == 0 || errno == EEXIST else {
                throw PublishingError(.storage, "\(link) cannot be made", cause: Errno(rawValue: errno))
            }
        }
    }

    /// A replica has a reflog of its own, with the time of copying. Source: format 4.2.
    private func writeReflog(
        _ manifest: Manifest, _ roots: [ContentHash], _ storage: LocalStorage, _ state: StateFolder
    ) throws {
        let reflog = reflog(storage, state)
        var content = try reflog.read(manifest)
        let now = clock()
        for root in roots { content.add(ObjectID(root, kind: .catalog), at: now) }
        if let certificate = manifest.certificateObject { content.add(certificate, at: now) }
        if let history = manifest.history { content.add(ObjectID(history, kind: .history), at: now) }
        if let metainfo = manifest.metainfo { content.add(ObjectID(metainfo, kind: .metainfo), at: now) }
        let next = try reflog.prepare(content, algorithm: manifest.hashAlgorithm)
        try reflog.announce(next)
        try reflog.replace(with: next)
        try reflog.settle(next.hash)
    }

    private func replaceWhitelist(_ whitelist: [UInt8], _ storage: LocalStorage) throws {
        let old = try storage.read(RootFile.whitelist, limit: TrustLimits.whitelistBytes)
        if old != whitelist { try storage.replace(RootFile.whitelist, with: whitelist) }
    }

    private func writeStatus(_ storage: LocalStorage) throws {
        let text = StatusFile.text(clock())
        try storage.replace(RootFile.lastSnapshot, with: Array("\(text)\n".utf8))
        try StatusFile(storage).set("last_snapshot", to: text)
    }
}

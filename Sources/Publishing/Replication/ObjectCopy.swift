internal import CASCore
internal import Catalog
internal import Signing
internal import Synchronization
internal import SystemPackage
internal import Transport

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// Copies root catalogs with all that they reference into a storage. Source: format 4.4.
///
/// A catalog gets its name after everything below it, so one that is there has all it needs, and a copy that was
/// interrupted goes on where it was.
final class ObjectCopy: Sendable {
    /// A catalog whose bytes are here, but not under its name yet.
    private struct Waiting {
        let object: ObjectID
        let file: String
    }

    /// A catalog, the ones in it that are still to be copied, and its file.
    private struct Frame {
        let waiting: Waiting
        var nested: [NestedCatalog]
    }

    /// Objects under way.
    private struct Work: ~Copyable {
        var group: ThrowingTaskGroup<String, any Error>
        /// What is on its way, so that it is not asked for twice.
        var started: Set<String> = []
    }

    private let storage: LocalStorage
    private let transport: any ObjectTransport
    private let manifest: Manifest
    private let state: StateFolder
    /// Whether catalogs that are there may lack objects, after a crash of the machine.
    private let suspects: Bool
    /// Whether something of the root that is being copied is gone from the server: then its catalogs stay unnamed.
    private let isIncomplete = Atomic(false)
    private let report = Mutex(ReplicationReport())
    private let progress: @Sendable (ReplicationReport) -> Void

    init(
        into storage: LocalStorage, from transport: any ObjectTransport, _ manifest: Manifest, suspects: Bool,
        progress: @escaping @Sendable (ReplicationReport) -> Void
    ) {
        self.storage = storage
        self.transport = transport
        self.manifest = manifest
        self.suspects = suspects
        self.progress = progress
        state = StateFolder(storage: FilePath(storage.path))
    }

    var result: ReplicationReport { report.withLock { $0 } }

    // MARK: Catalogs

    /// Copies a root catalog and what it needs.
    /// - Parameters:
    ///   - size: of its unpacked file, as far as known.
    ///   - mayBeGone: whether it is passed over when the server does not have it: an old one, of a repository that
    ///     collects garbage.
    /// - Returns: its predecessor; `nil` also when it was there already, or is gone.
    @discardableResult
    func copy(root: ContentHash, size: Int64?, mayBeGone: Bool) async throws -> ContentHash? {
        isIncomplete.store(false, ordering: .relaxed)
        var visited: Set<ContentHash> = []
        var previous: ContentHash?
        try await withThrowingTaskGroup(of: String.self) { group in
            var work = Work(group: group)
            var named: [Waiting] = []
            var frames: [Frame] = []
            // What was not named goes.
            defer {
                for waiting in frames.map(\.waiting) + named { unlinkScratch(waiting.file) }
            }
            let first = NestedCatalog(path: .root, hash: root, size: size)
            guard try await enter(first, &frames, &visited, &work, mayBeGone: mayBeGone, previous: &previous) else {
                return
            }
            while var frame = frames.popLast() {
                if let next = frame.nested.popLast() {
                    frames.append(frame)
                    var ignored: ContentHash?
                    _ = try await enter(next, &frames, &visited, &work, mayBeGone: mayBeGone, previous: &ignored)
                    continue
                }
                named.append(frame.waiting)
                if named.count >= ReplicationLimits.waitingCatalogs || frames.isEmpty {
                    try await finish(&work)
                    if isIncomplete.load(ordering: .relaxed) { return }
                    for waiting in named { try name(waiting) }
                    named = []
                }
            }
            try await finish(&work)
        }
        return previous
    }

    /// Fetches a catalog and starts to fetch what it references; false when it is not to be copied.
    private func enter(
        _ catalog: NestedCatalog, _ frames: inout [Frame], _ visited: inout Set<ContentHash>, _ work: inout Work,
        mayBeGone: Bool, previous: inout ContentHash?
    ) async throws -> Bool {
        try Task.checkCancellation()
        guard visited.insert(catalog.hash).inserted else { return false }
        let object = catalog.object
        let isThere = try storage.renew(object)
        if isThere, !suspects {
            report.withLock { $0.known += 1 }
            return false
        }
        guard frames.count < ReplicationLimits.catalogDepth else {
            throw PublishingError(.corrupt, "\(catalog.path): its nested catalogs lie too deep in one another")
        }
        guard let file = try await fetch(catalog, isThere: isThere, mayBeGone: mayBeGone) else { return false }
        frames.append(Frame(waiting: Waiting(object: object, file: file), nested: []))
        let opened = try open(object, file, at: catalog.path)
        previous = opened.properties.previousRevision
        try await copyObjects(of: opened, &work, mayBeGone: mayBeGone)
        frames[frames.count - 1].nested = try opened.nestedCatalogs().filter { !$0.isBindMountpoint }.reversed()
        return true
    }

    private func fetch(_ catalog: NestedCatalog, isThere: Bool, mayBeGone: Bool) async throws -> String? {
        let object = catalog.object
        let size = min(max(catalog.size ?? 0, 0), PublishingLimits.catalogBytes)
        let limit = object.compression.mostStoredBytes(ofPlain: size == 0 ? PublishingLimits.catalogBytes : size)
        if isThere {
            // It is verified once more, as everything of that time.
            guard let bytes = try storage.stored(object, limit: Int(limit)) else { return nil }
            var file = try ScratchFile(in: storage)
            try file.write(bytes.span.bytes)
            return try file.keep()
        }
        let sink = StoredObjectSink(object, in: storage)
        do {
            _ = try await transport.fetch(TransferRequest(manifest.serverPath(of: object), limit: limit), into: sink)
        } catch let error as TransportError where error.code == .notFound && mayBeGone {
            isIncomplete.store(true, ordering: .relaxed)
            return nil
        } catch {
            throw Self.failure(error, "catalog \(object) at \(catalog.path)")
        }
        report.withLock { report in
            report.catalogs += 1
            report.objects += 1
            report.bytes += sink.bytes
        }
        return try sink.keep()
    }

    private func open(_ object: ObjectID, _ file: String, at path: RepositoryPath) throws -> FileCatalog {
        let limit = PublishingLimits.catalogBytes
        return try storage.withUnpacked(object, from: file, scratch: state.scratch, limit: limit) { unpacked in
            do throws(CatalogError) {
                return try FileCatalog(at: unpacked)
            } catch {
                throw PublishingError(.corrupt, "catalog \(object) at \(path) cannot be read", cause: error)
            }
        }
    }

    private func name(_ waiting: Waiting) throws {
        try storage.upload(.file(at: "\(storage.path)/\(waiting.file)"), as: waiting.object)
        progress(result)
    }

    // MARK: Objects

    private func copyObjects(of catalog: FileCatalog, _ work: inout Work, mayBeGone: Bool) async throws {
        var rows = catalog.rows()
        while let row = try rows.next() {
            let entry = row.entry
            guard !entry.isExternal else { continue }
            if let object = entry.object { try await start(object, plain: entry.size, &work, mayBeGone: mayBeGone) }
            guard entry.isChunked else { continue }
            for chunk in try catalog.chunks(of: entry) {
                try await start(chunk.object, plain: chunk.size, &work, mayBeGone: mayBeGone)
            }
        }
    }

    private func start(_ object: ObjectID, plain: Int64, _ work: inout Work, mayBeGone: Bool) async throws {
        let name = object.serverPath
        if work.started.contains(name) { return }
        if try storage.renew(object) {
            report.withLock { $0.known += 1 }
            return
        }
        if work.started.count >= ReplicationLimits.parallelObjects { try await next(&work) }
        work.started.insert(name)
        let limit = object.compression.mostStoredBytes(ofPlain: plain)
        work.group.addTask { [self] in
            try await withTaskExecutorPreference(BlockingPool.shared) {
                try await copy(object, limit: limit, mayBeGone: mayBeGone)
            }
            return name
        }
    }

    private func next(_ work: inout Work) async throws {
        if let name = try await work.group.next() { work.started.remove(name) }
    }

    /// Copies one object, whatever it is.
    @concurrent func copy(_ object: ObjectID, limit: Int64, mayBeGone: Bool) async throws {
        if try storage.renew(object) { return }
        let sink = StoredObjectSink(object, in: storage)
        do {
            _ = try await transport.fetch(TransferRequest(manifest.serverPath(of: object), limit: limit), into: sink)
        } catch let error as TransportError where error.code == .notFound && mayBeGone {
            isIncomplete.store(true, ordering: .relaxed)
            return
        } catch {
            throw Self.failure(error, "object \(object)")
        }
        try sink.publish()
        let report = report.withLock { report in
            report.objects += 1
            report.bytes += sink.bytes
            return report
        }
        if report.objects % 64 == 0 { progress(report) }
    }

    private func finish(_ work: inout Work) async throws {
        while !work.started.isEmpty { try await next(&work) }
    }

    private func unlinkScratch(_ name: String) { unlink("\(storage.path)/\(name)") }

    static func failure(_ error: any Error, _ what: String) -> any Error {
        switch error {
        case let error as TransportError: PublishingError(.network, "cannot fetch \(what)", cause: error)
        case let error as CASError: PublishingError(.network, "cannot fetch \(what)", cause: error)
        default: error
        }
    }
}

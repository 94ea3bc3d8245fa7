public import CASCore
internal import CVMFS
internal import Catalog
public import Signing
public import SystemPackage

/// Changes a repository: the next revision in the making.
///
/// ```swift
/// let transaction = try await Transaction.begin(
///     "demo.example.org", storage: "/srv/cvmfs/demo.example.org", keys: "/etc/cvmfs/keys")
/// try await transaction.sync(from: "/srv/images/debian", at: "/images/debian")
/// try await transaction.commit(tag: "2024-06")
/// ```
///
/// From `begin` on nobody else can write; the newest revision is what readers see until `commit` replaces it in one
/// step. Whatever ends the transaction before, that revision stays whole, and what was stored in vain is found again by
/// the next one, or collected. One call at a time. Source: format 7.
public actor Transaction {
    let options: TransactionOptions
    let pipeline: ContentPipeline
    let startTime: UnixTime
    var report = PublishingReport()

    private let writer: RepositoryWriter
    /// `nil` when the transaction is over.
    private var tree: WritableTree?
    private var isBusy = false
    /// Whether a call has failed in the middle of its changes, which nobody wants to publish.
    var isHalfDone = false

    // MARK: Beginning

    /// Takes the repository's lock, and makes ready for changes.
    ///
    /// - Parameters:
    ///   - repository: its name (fqrn).
    ///   - storage: its own folder, which holds `.cvmfspublished`.
    ///   - keys: the folder with its certificate and key.
    ///   - options: how content is packed, and trees are cut.
    /// - Throws: `PublishingError`: `locked` when somebody else is writing, `noRepository`, `keys`.
    public static func begin(
        _ repository: String, storage: FilePath, keys: FilePath, options: TransactionOptions = TransactionOptions()
    ) async throws -> Transaction {
        let transaction = try await BlockingPool.shared.run {
            let folder = try KeyFolder(at: keys, repository: repository, storage: storage)
            let writer = try RepositoryWriter.open(
                repository, storage: storage, keys: folder, reached: options.commitReached, clock: options.clock)
            do {
                let transaction = try Transaction(writer, options)
                options.reached(.begun)
                return transaction
            } catch {
                writer.close()
                throw error
            }
        }
        do {
            try await withTaskExecutorPreference(BlockingPool.shared) { try await transaction.prepareRecall() }
        } catch {
            await transaction.abort()
            throw error
        }
        return transaction
    }

    /// Takes over a writer.
    package init(_ writer: RepositoryWriter, _ options: TransactionOptions) throws {
        self.writer = writer
        self.options = options
        startTime = options.clock()
        var content = options.content
        content.algorithm = writer.settings.hash
        content.deflater = writer.settings.deflater
        pipeline = try ContentPipeline(storage: writer.storage, options: content)
        let base = NestedCatalog(path: .root, hash: writer.base.rootCatalog, size: writer.base.rootCatalogSize)
        let storage = writer.storage
        tree = WritableTree(base: base, makeFile: storage.scratchPath) { catalog, file in
            try storage.unpack(catalog.object, to: file, limit: TreeLimits.catalogBytes)
        }
    }

    private func prepareRecall() async throws {
        try await pipeline.prepareRecall(newest: writer.base.rootCatalog) { [writer] in
            try writer.tags().sortedTags.map(\.rootHash)
        }
    }

    /// The revision that it began with.
    public nonisolated var base: Manifest { writer.base }

    /// Everything that was done so far.
    public var summary: PublishingReport { report }

    /// What content came to.
    package nonisolated var statistics: PipelineStatistics { pipeline.statistics }

    // MARK: Whole trees

    /// Makes a part of the repository what a directory of this machine is: what is not there goes.
    ///
    /// Files that have not changed since they were published last are not read.
    /// - Parameters:
    ///   - directory: where to take it from.
    ///   - path: what becomes the directory; made when it is absent, with what is missing above it.
    /// - Returns: what has changed, and what the format cannot hold.
    /// - Throws: `PublishingError`: `source` for what cannot be read, `changed` for what changed meanwhile. The
    ///   transaction can only be aborted then.
    @discardableResult
    public nonisolated func sync(
        from directory: FilePath, at path: RepositoryPath = .root
    ) async throws -> PublishingReport {
        try await sync(at: path) { try DirectorySource(at: directory.string) }
    }

    /// Makes a part of the repository what a source is.
    @discardableResult
    package nonisolated func sync(
        at path: RepositoryPath, from makeSource: @escaping @Sendable () throws -> any TreeSource
    ) async throws -> PublishingReport {
        try await change { transaction, tree in
            try await transaction.sync(at: path, from: try makeSource(), tree, nests: transaction.options.nestsSources)
        }
    }

    /// The same inside of a call.
    /// - Parameter nests: whether the path gets a nested catalog of its own, unless it is the root.
    func sync(
        at path: RepositoryPath, from source: any TreeSource, _ tree: WritableTree, nests: Bool
    ) async throws -> PublishingReport {
        var source = source
        try makeRoom(at: path, tree)
        let isNested = nests && !path.isRoot
        var sync = TreeSync(tree, pipeline, at: path, progress: options.progress)
        let wasHalfDone = isHalfDone
        isHalfDone = true
        let report = try await sync.run(&source, nestsTop: isNested)
        isHalfDone = wasHalfDone
        if isNested { try tree.nestUnasked(path, automatic: false, empty: try await storeEmpty()) }
        self.report.add(report)
        options.reached(.synced)
        return report
    }

    /// Sees to it that a source can go to a path: the directories above are there, and the path is a directory if
    /// anything.
    private func makeRoom(at path: RepositoryPath, _ tree: WritableTree) throws {
        try check(path, mayBeRoot: true)
        guard let parent = path.parent else { return }
        try makeDirectories(parent, tree)
        if let old = try tree.record(at: path), !old.isDirectory { report.removed += try tree.remove(old, at: path) }
    }

    private func storeEmpty() async throws -> StoredContent { try await pipeline.store(BytesSource([])) }

    // MARK: Ending

    /// Publishes what was changed, and ends the transaction.
    ///
    /// - Parameters:
    ///   - tag: a name for the revision. With one a revision is published even when nothing was changed.
    ///   - description: of the tag.
    ///   - force: publishes a revision also when nothing was changed.
    /// - Returns: the new manifest; `nil` when nothing was changed, and so nothing is published.
    /// - Throws: `PublishingError`: `invalidArgument` after a call that has failed in the middle of its changes. The
    ///   newest revision is as it was then.
    @discardableResult
    public nonisolated func commit(
        tag: String? = nil, description: String = "", force: Bool = false
    ) async throws -> Manifest? {
        let tags = tag.map { [NewTag(name: $0, description: description)] } ?? []
        do {
            let manifest = try await change { transaction, tree in
                try await transaction.commit(tree, tags, force: force)
            }
            await close()
            return manifest
        } catch {
            await close()
            throw error
        }
    }

    private func commit(_ tree: WritableTree, _ tags: [NewTag], force: Bool) async throws -> Manifest? {
        guard !isHalfDone else {
            throw PublishingError(
                .invalidArgument, "nothing is published: a call of this transaction has failed in the middle")
        }
        // A name that cannot be had is to fail before the work.
        let known = try writer.tags()
        for tag in tags { try known.checkNew(tag.name) }
        guard tree.isChanged || force || !tags.isEmpty else {
            try await pipeline.finish()
            return nil
        }
        if tree.isChanged {
            try await applyPatterns(tree)
            if let balance = options.balance { try tree.balance(balance, empty: try await storeEmpty()) }
        }
        options.reached(.balanced)
        let pipeline = pipeline
        let time = options.clock().seconds
        let root = try await tree.store(lastModified: time) { file in
            try await pipeline.storeObject(FileSource(at: file), kind: .catalog)
        }
        try await pipeline.finish()
        options.reached(.stored)
        let manifest = try writer.commit(
            NewRevision(
                rootCatalog: root.hash, rootCatalogSize: root.size, revision: root.revision, lastModified: time,
                tags: tags))
        options.reached(.committed)
        return manifest
    }

    /// Makes the nested catalogs that `.cvmfsdirtab` asks for. Source: format 7.3.
    private func applyPatterns(_ tree: WritableTree) async throws {
        let path = RepositoryPath.root.appending(NestedMarker.patterns)
        guard let record = try tree.record(at: path), record.kind == .file, let hash = record.contentHash else {
            return
        }
        try await pipeline.finish()
        let object = ObjectID(hash, compression: record.compression)
        guard record.size <= SourceLimits.dirtabBytes,
            let stored = try writer.storage.stored(object, limit: 2 * SourceLimits.dirtabBytes)
        else { throw PublishingError(.source, "\(path): is too long, or its content is not in the storage") }
        let patterns = try CatalogPatterns(object.unpack(stored, size: .atMost(Int64(SourceLimits.dirtabBytes))))
        for pattern in try tree.nest(patterns, empty: try await storeEmpty()) {
            report.warn(path, "the pattern \(pattern) matches no directory")
        }
    }

    /// Whether a tag's name can be had; `commit` checks it, too, but after the work.
    ///
    /// - Throws: `PublishingError`: `invalidArgument` when it is no name, `exists` when there is such a tag.
    public nonisolated func checkTag(_ name: String) async throws {
        try await change { transaction, _ in try transaction.writer.tags().checkNew(name) }
    }

    /// Ends the transaction; nothing is changed.
    public nonisolated func abort() async { await close() }

    private nonisolated func close() async {
        await withTaskExecutorPreference(BlockingPool.shared) { await self.end() }
    }

    private func end() {
        // The catalogs' files go with the tree.
        tree = nil
        writer.close()
    }

    // MARK: Calls

    /// Runs a call on a thread that may block, if no other is running.
    ///
    /// An actor without an executor of its own runs on the one that the task prefers.
    nonisolated func change<Result: Sendable>(
        _ body: @Sendable (isolated Transaction, WritableTree) async throws -> Result
    ) async throws -> Result {
        try await withTaskExecutorPreference(BlockingPool.shared) {
            await Self.arrive()
            return try await self.exclusively(body)
        }
    }

    /// Goes to the preferred executor. An actor that nobody uses is entered on whatever thread one is, and that would be
    /// the caller's, which must not block.
    @concurrent @inline(never)
    private nonisolated static func arrive() async { _ = Task.isCancelled }

    private func exclusively<Result: Sendable>(
        _ body: @Sendable (isolated Transaction, WritableTree) async throws -> Result
    ) async throws -> Result {
        guard let tree else { throw PublishingError(.invalidArgument, "the transaction is over") }
        guard !isBusy else {
            throw PublishingError(.invalidArgument, "the transaction is busy with another call; await that one first")
        }
        isBusy = true
        defer { isBusy = false }
        do {
            return try await body(self, tree)
        } catch let error as CatalogError {
            // Nothing says how far the catalog's file was written.
            isHalfDone = true
            throw PublishingError(error)
        }
    }
}

extension PublishingError {
    /// What is wrong with a catalog, or with the disk that it is on.
    init(_ error: CatalogError, _ message: String = "the repository's catalogs cannot be changed") {
        let code: Code =
            switch error.code {
            case .io, .system: .storage
            case .unsupportedSchema: .unsupported
            default: .corrupt
            }
        self.init(code, message, cause: error)
    }
}

import CVMFS
import Catalog
import FixtureTrees
import Foundation
import LocalServers
import Testing

@testable import Publishing
@testable import RepositoryMaker

/// A repository in a temporary folder whose trees a test changes, without locks and tags.
struct TreeRepository: ~Copyable {
    let folder: TemporaryFolder
    let storage: LocalStorage
    let pipeline: ContentPipeline
    private(set) var published: PublishedRepository

    static let name = "tree.example.org"
    static let time: Int64 = 1_700_000_000

    init(hash: HashAlgorithm = .sha1, options: ContentOptions? = nil) throws {
        let folder = try TemporaryFolder("tree")
        let path = "\(folder.path)/\(Self.name)"
        var maker = try RepositoryMaker(name: Self.name, hash: hash, at: path)
        let first = try maker.publish()
        let files = try LocalStorage(at: path)
        var options = options ?? ContentOptions()
        options.algorithm = hash
        pipeline = try ContentPipeline(storage: files, options: options)
        self.folder = folder
        storage = files
        published = first
    }

    /// A copy of what the reference has published, signed by us.
    init(copying fixture: FixtureRepository, options: ContentOptions) throws {
        let folder = try TemporaryFolder("tree")
        let path = "\(folder.path)/\(Self.name)"
        try FileManager.default.copyItem(atPath: fixture.folder.path, toPath: path)
        var maker = try RepositoryMaker(name: Self.name, hash: fixture.hashAlgorithm, at: path)
        let fields = try fixture.manifest()
        let hash = try #require(ContentHash(fields["C"] ?? ""))
        let root = MadeCatalog(
            path: .root, object: ObjectID(hash, kind: .catalog), size: Int64(fields["B"] ?? "") ?? 0,
            statistics: CatalogStatistics(own: .init(), subtree: .init()))
        let first = try maker.publish(root: root, revision: UInt64(fields["S"] ?? "") ?? 0)
        let files = try LocalStorage(at: path)
        var options = options
        options.algorithm = fixture.hashAlgorithm
        pipeline = try ContentPipeline(storage: files, options: options)
        self.folder = folder
        storage = files
        published = first
    }

    var manifest: Manifest { published.manifest }

    /// The tree of the newest revision.
    func tree() -> WritableTree {
        let base = NestedCatalog(path: .root, hash: manifest.rootCatalog, size: manifest.rootCatalogSize)
        let storage = storage
        return WritableTree(base: base, makeFile: storage.scratchPath) { catalog, file in
            try storage.unpack(catalog.object, to: file)
        }
    }

    /// Changes the tree and publishes it.
    /// - Returns: `nil` when nothing has changed.
    @discardableResult
    mutating func change(
        _ body: (WritableTree, ContentPipeline) async throws -> Void
    ) async throws -> WritableTree.StoredRoot? {
        let tree = tree()
        try await body(tree, pipeline)
        guard tree.isChanged else { return nil }
        let pipeline = pipeline
        let stored = try await tree.store(lastModified: Self.time) { file in
            try await pipeline.storeObject(FileSource(at: file), kind: .catalog)
        }
        published.manifest.rootCatalog = stored.hash
        published.manifest.rootCatalogSize = stored.size
        published.manifest.revision = stored.revision
        try published.sign()
        return stored
    }

    /// Makes a part of the tree what a source is.
    @discardableResult
    mutating func sync(
        _ source: some TreeSource, at top: RepositoryPath = .root, nested: Bool = false, balance: CatalogBalance? = nil
    ) async throws -> (report: PublishingReport, stored: WritableTree.StoredRoot?) {
        var report: PublishingReport?
        let stored = try await change { tree, pipeline in
            var sync = TreeSync(tree, pipeline, at: top)
            var source = source
            report = try await sync.run(&source, nestsTop: nested)
            if let balance, tree.isChanged {
                try tree.balance(balance, empty: try await pipeline.store(BytesSource([])))
            }
        }
        guard let report else { preconditionFailure("unreachable: the closure has run") }
        return (report, stored)
    }

    func open() async throws -> Repository {
        try await Repository.open(
            Self.name, from: ["file://\(storage.path)"],
            trusting: .masterKeys([MasterKey(pem: published.masterKeyPEM)]), cache: MemoryStore(limit: .mebibytes(256)))
    }

    /// What readers see of the newest revision, as `ModelTree.lines`.
    func lines(at top: RepositoryPath = .root) async throws -> [String] {
        let snapshot = try await open().snapshot()
        var entries: [Entry] = []
        for try await entry in snapshot.walk(top) { entries.append(entry) }
        var groups: [RepositoryPath: [UInt32: [FileName]]] = [:]
        for entry in entries where entry.hardlinkGroup != 0 {
            groups[entry.path.parent ?? .root, default: [:]][entry.hardlinkGroup, default: []].append(entry.name)
        }
        var lines: [String] = []
        for entry in entries {
            let content = entry.kind == .file ? try await snapshot.file(entry).readAll() : []
            let xattrs = try await snapshot.xattrs(of: entry).attributes
            let group = groups[entry.path.parent ?? .root]?[entry.hardlinkGroup] ?? []
            lines.append(
                ModelTree.line(
                    entry.path.relative(to: top) ?? .root, entry.kind, entry.permissions, entry.uid, entry.gid,
                    entry.mtime, entry.mtimeNanoseconds, entry.target, entry.device, xattrs, content,
                    Int(entry.linkCount), group.sorted()))
        }
        return lines
    }

    /// What a check of the whole repository finds wrong.
    func defects() async throws -> [String] {
        try await open().verify(scratch: MemoryStore(limit: .mebibytes(256))).defects.map { "\($0)" }
    }

    /// The paths where nested catalogs begin.
    func nestedCatalogs() async throws -> [RepositoryPath] {
        let snapshot = try await open().snapshot()
        var paths: [RepositoryPath] = []
        for try await entry in snapshot.walk() where entry.isNestedMountpoint || entry.isNestedRoot {
            if !entry.path.isRoot { paths.append(entry.path) }
        }
        return paths
    }
}

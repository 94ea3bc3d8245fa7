import CASCore
import CVMFS
import Catalog
import FixtureTrees
import LocalServers
import Publishing
import RevisionTrees
import Signing
import SystemPackage
import Testing

@Suite("Making a repository, and committing revisions")
struct CommitTests {
    private static let start = UnixTime(1_800_000_000)

    @Test("a new repository is what a client can read: empty, revision 0", arguments: HashAlgorithm.allCases)
    func fresh(hash: HashAlgorithm) async throws {
        let made = try await TestRepository(hash: hash)
        let repository = try await made.open()
        let snapshot = try await repository.snapshot(.newest)
        #expect(snapshot.revision == 0)
        let root = try await snapshot.entry(at: "/")
        #expect(root.permissions == 0o755)
        #expect(root.linkCount == 2)
        let tags = try await repository.tags()
        #expect(tags.map(\.name) == ["trunk"])
        #expect(tags.first?.description == "empty repository")
        try await made.check()
        #expect(readFile("\(made.storage)/.cvmfs_master_replica") == [])
        let reflog = try ReflogDatabase(at: made.storage.appending(".cvmfsreflog"))
        #expect(reflog.fqrn == TestRepository.name)
        #expect(
            try reflog.references().map(\.kind).sorted { $0.rawValue < $1.rawValue }
                == [.catalog, .history, .metainfo, .certificate])
        // The algorithm of everything is the one that was chosen.
        #expect(try reflog.references().allSatisfy { $0.hash.algorithm == hash })
        let manifest = try Manifest(unverified: readFile("\(made.storage)/.cvmfspublished") ?? [])
        let bytes = readFile("\(made.storage)/.cvmfsreflog") ?? []
        #expect(manifest.reflog == ContentHash(hashing: bytes, with: hash))
        let checksum = readFile("\(made.storage)/.cvmfs-state/reflog.chksum") ?? []
        #expect(String(decoding: checksum, as: UTF8.self) == manifest.reflog?.description)
    }

    @Test("what holds a repository is not made one again")
    func again() async throws {
        let made = try await TestRepository()
        let before = readFile("\(made.storage)/.cvmfspublished")
        let new = RepositoryInitialization(of: TestRepository.name, storage: made.storage, keys: made.keysPath)
        let error = await #expect(throws: PublishingError.self) { try await new.run() }
        #expect(error?.code == .exists)
        #expect(readFile("\(made.storage)/.cvmfspublished") == before)
    }

    @Test("a clock that was set back makes no manifest that clients refuse")
    func clockSetBack() async throws {
        let made = try await TestRepository()
        let now = WallClock.now()
        let cache = FilePath(made.folder.path).appending("cache")
        let open = {
            try await Repository.open(
                TestRepository.name, from: ["file://\(made.storage)"], trusting: .masterKeys(made.keys().masterKeys()),
                cache: DiskStore(at: cache, reserve: .zero))
        }
        let seen = try await open().snapshot().revision
        let back = UnixTime(now.seconds - 3600)
        let writer = try made.writer { back }
        var random = SeededGenerator(for: "clock")
        let manifest = try RevisionTree.random(using: &random).publish(with: writer, tags: [], at: back)
        writer.close()
        #expect(manifest.revision == seen + 1)
        #expect(try await open().snapshot().revision == manifest.revision)
    }

    @Test("revisions follow each other, with tags, and each is whole")
    func revisions() async throws {
        let made = try await TestRepository()
        var random = SeededGenerator(for: "revisions")
        var tree = RevisionTree.random(using: &random)
        let writer = try made.writer()
        for revision in 1...3 {
            tree.change(using: &random)
            let manifest = try tree.publish(
                with: writer, tags: revision == 2 ? ["two"] : [], at: WallClock.now())
            #expect(manifest.revision == UInt64(revision))
            #expect(manifest == writer.base)
        }
        writer.close()
        let repository = try await made.open()
        #expect(try await repository.snapshot(.newest).revision == 3)
        #expect(try await repository.snapshot(.tag("two")).revision == 2)
        let tags = Dictionary(try await repository.tags().map { ($0.name, $0.revision) }) { first, _ in first }
        #expect(tags == ["trunk": 3, "trunk-previous": 2, "two": 2])
        try await made.check()
        let references = try ReflogDatabase(at: made.storage.appending(".cvmfsreflog")).references()
        #expect(references.count { $0.kind == .catalog } == 4)
        #expect(references.count { $0.kind == .history } == 4)
        #expect(references.count { $0.kind == .certificate } == 1)
    }

    @Test("a tag that exists stops a revision, and a revision that does not follow too")
    func refused() async throws {
        let made = try await TestRepository()
        var random = SeededGenerator(for: "refused")
        let writer = try made.writer()
        let tree = RevisionTree.random(using: &random)
        let manifest = try tree.publish(with: writer, tags: ["one"], at: WallClock.now())
        let error = #expect(throws: PublishingError.self) {
            try RevisionTree.random(using: &random).publish(with: writer, tags: ["one"], at: WallClock.now())
        }
        #expect(error?.code == .exists)
        #expect(throws: PublishingError.self) {
            try writer.commit(
                NewRevision(
                    rootCatalog: manifest.rootCatalog, rootCatalogSize: 1, revision: manifest.revision,
                    lastModified: 0))
        }
        #expect(writer.base == manifest)
        try await made.check()
    }

    @Test("the same tree at the same time has the same root, history and reflog")
    func deterministic() async throws {
        var files: [[[UInt8]?]] = []
        for _ in 0..<2 {
            let made = try await TestRepository(at: Self.start)
            let writer = try made.writer { UnixTime(Self.start.seconds + 60) }
            var random = SeededGenerator(seed: 7)
            let manifest = try RevisionTree.random(using: &random).publish(
                with: writer, tags: ["a"], at: UnixTime(Self.start.seconds + 60))
            let names = [manifest.rootCatalogObject.serverPath, ObjectID(manifest.history!, kind: .history).serverPath]
            files.append(names.map { readFile("\(made.storage)/\($0)") })
        }
        #expect(files[0] == files[1])
        #expect(files[0].allSatisfy { $0 != nil })
    }

    @Test("a lost or damaged reflog is rebuilt from what leads back from the manifest")
    func lostReflog() async throws {
        let made = try await TestRepository()
        var random = SeededGenerator(for: "reflog")
        let writer = try made.writer()
        for _ in 0..<3 { try RevisionTree.random(using: &random).publish(with: writer, at: WallClock.now()) }
        let path = made.storage.appending(".cvmfsreflog")
        let before = try Set(ReflogDatabase(at: path).references().map(\.hash))
        for damage in [[], Array("nonsense".utf8)] {
            try writeFile(damage, to: path.string)
            let manifest = try RevisionTree.random(using: &random).publish(with: writer, at: WallClock.now())
            let after = try Set(ReflogDatabase(at: path).references().map(\.hash))
            #expect(after.isSuperset(of: before))
            #expect(manifest.reflog == ContentHash(hashing: readFile(path.string) ?? [], with: .sha1))
        }
        writer.close()
    }

    @Test("a manifest that another program replaced meanwhile is not overwritten")
    func replaced() async throws {
        let made = try await TestRepository()
        var random = SeededGenerator(for: "replaced")
        let writer = try made.writer()
        let old = readFile("\(made.storage)/.cvmfspublished") ?? []
        let tree = RevisionTree.random(using: &random)
        try tree.publish(with: writer, at: WallClock.now())
        try writeFile(old, to: "\(made.storage)/.cvmfspublished")
        let error = #expect(throws: PublishingError.self) {
            try RevisionTree.random(using: &random).publish(with: writer, at: WallClock.now())
        }
        #expect(error?.code == .changed)
        #expect(readFile("\(made.storage)/.cvmfspublished") == old)
    }

    @Test("another's keys, an expired whitelist and another's name are refused before anything is written")
    func trust() async throws {
        let made = try await TestRepository(at: Self.start)
        let manifest = readFile("\(made.storage)/.cvmfspublished")
        let late = #expect(throws: PublishingError.self) {
            try made.writer { UnixTime(Self.start.seconds + 31 * 86400) }
        }
        #expect(late?.code == .keys)
        #expect(late?.message.contains("resign") == true)

        let strange = FilePath("\(made.folder.path)/strange")
        let keys = try KeyFolder(at: strange, repository: TestRepository.name, storage: made.storage)
        try keys.complete(at: Self.start, bits: 1024)
        let start = Self.start
        let stranger = #expect(throws: PublishingError.self) {
            try RepositoryWriter.open(TestRepository.name, storage: made.storage, keys: keys, clock: { start })
        }
        #expect(stranger?.code == .keys)
        let other = try KeyFolder(at: strange, repository: "other.example.org", storage: made.storage)
        try other.complete(at: Self.start, bits: 1024)
        let misnamed = #expect(throws: PublishingError.self) {
            try RepositoryWriter.open("other.example.org", storage: made.storage, keys: other, clock: { start })
        }
        #expect(misnamed?.code == .noRepository)
        #expect(readFile("\(made.storage)/.cvmfspublished") == manifest)
        // None of them has left the lock behind.
        try made.writer { start }.close()
    }

    @Test("where root catalog and certificate have alternative paths, a new revision has them too")
    func alternativePaths() async throws {
        let made = try await TestRepository()
        let keys = try made.keys()
        var manifest = try Manifest(unverified: readFile("\(made.storage)/.cvmfspublished") ?? [])
        manifest.hasAlternativePaths = true
        let letter = try SignedLetter(
            signing: manifest.serialized(), as: .manifest, algorithm: .sha1, with: keys.signer().key)
        try writeFile(letter.serialized, to: "\(made.storage)/.cvmfspublished")

        let writer = try made.writer()
        let next = try RevisionTree(["a": [1]]).publish(with: writer, at: WallClock.now())
        writer.close()
        #expect(next.hasAlternativePaths)
        for object in [next.rootCatalogObject, try #require(next.certificateObject)] {
            let stored = readFile("\(made.storage)/\(object.serverPath)")
            #expect(stored != nil)
            #expect(readFile("\(made.storage)/.cvmfsalt-\(object)") == stored)
        }
        try await made.check()
    }
}

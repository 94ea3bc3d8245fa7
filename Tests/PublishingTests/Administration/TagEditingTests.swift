import CASCore
import CVMFS
import Catalog
import CatalogFixtures
import LocalServers
import Publishing
import RevisionTrees
import Signing
import SystemPackage
import Testing

@Suite("Tags of a storage, and rolling back")
struct TagEditingTests {
    private func repository(_ revisions: Int) async throws -> TestRepository {
        let made = try await TestRepository()
        let writer = try made.writer()
        for revision in 1...revisions {
            try RevisionTree(["a": [revision], "b": [0]]).publish(with: writer, at: WallClock.now())
        }
        writer.close()
        return made
    }

    private func tags(_ made: TestRepository) -> RepositoryTags {
        RepositoryTags(of: TestRepository.name, storage: made.storage, keys: made.keysPath)
    }

    @Test("a tag names the newest revision or a given root, and readers find it")
    func adding() async throws {
        let made = try await repository(2)
        let tags = tags(made)
        let first = try await tags.add("two", description: "the second")
        #expect(first.revision == 2)
        let previous = try #require(try await tags.list().first { $0.name == "trunk-previous" })
        #expect(try await tags.add("one", root: previous.rootHash).revision == 1)
        // Moved, and its description kept.
        #expect(try await tags.add("two", root: previous.rootHash).description == "the second")
        #expect(try await tags.list().map(\.name) == ["trunk", "two", "trunk-previous", "one"])
        let repository = try await made.open()
        #expect(try await repository.snapshot(.tag("two")).revision == 1)
        #expect(try await repository.snapshot(.newest).revision == 2)
        try await made.check()

        #expect(try await tags.remove(["one", "two"]).count == 2)
        #expect(try await tags.list().count == 2)
        let error = await #expect(throws: PublishingError.self) { try await tags.remove(["one"]) }
        #expect(error?.code == .noSuchEntry)
    }

    @Test("only root catalogs that are there get a name")
    func nonsense() async throws {
        let made = try await repository(1)
        let tags = tags(made)
        let absent = await #expect(throws: PublishingError.self) {
            try await tags.add("x", root: ContentHash(hashing: [1], with: .sha1))
        }
        #expect(absent?.code == .noSuchEntry)
        let nested = try await made.open().snapshot(.newest).catalog(at: "/a")
        let error = await #expect(throws: PublishingError.self) { try await tags.add("x", root: nested) }
        #expect(error?.code == .invalidArgument)
    }

    @Test("what a collection has condemned, or may be condemning, gets no name")
    func condemned() async throws {
        let made = try await repository(4)
        let tags = tags(made)
        let references = try ReflogDatabase(at: made.storage.appending(".cvmfsreflog")).references()
        let named = try await Set(tags.list().map(\.rootHash))
        let old = try #require(references.first { $0.kind == .catalog && !named.contains($0.hash) }).hash

        let state = StateFolder(storage: made.storage)
        let lock = try LockFile(state.collectionLock)
        let running = await #expect(throws: PublishingError.self) { try await tags.add("x", root: old) }
        #expect(running?.code == .locked)
        lock.unlock()

        try writeFile(Array("\(old)\n".utf8), to: state.path.appending("condemned").string)
        let dying = await #expect(throws: PublishingError.self) { try await tags.add("x", root: old) }
        #expect(dying?.code == .noSuchEntry)
    }

    @Test("rolling back repeats an old revision as the newest one")
    func rollback() async throws {
        let made = try await repository(2)
        let tags = tags(made)
        try await tags.add("two")
        let writer = try made.writer()
        for revision in 3...5 {
            try RevisionTree(["a": [revision]]).publish(
                with: writer, tags: revision == 4 ? ["four"] : [], at: WallClock.now())
        }
        let before = writer.base
        writer.close()
        let done = try await tags.rollBack(to: "two")
        #expect(done.manifest.revision == 6)
        #expect(done.removed.map(\.name) == ["four", "trunk-previous", "trunk"])
        #expect(try await tags.list().map(\.name) == ["two", "trunk"])
        let repository = try await made.open()
        let snapshot = try await repository.snapshot(.newest)
        #expect(snapshot.revision == 6)
        let content = try await snapshot.file("/a/file0").readAll()
        #expect(content == RevisionTree.content(2))
        _ = try await snapshot.entry(at: "/b")
        let file = made.folder.path + "/root"
        try LocalStorage(at: made.storage.string).unpack(done.manifest.rootCatalogObject, to: file)
        let properties = try FileCatalog(at: FilePath(file)).properties
        #expect(properties.previousRevision == before.rootCatalog)
        #expect(properties.revision == 6)
        try await made.check()
    }

    @Test("a catalog that is none is a damaged repository to all that read it")
    func noCatalog() async throws {
        let made = try await repository(1)
        let writer = try made.writer()
        let object = try RootObject(Array("no catalog".utf8), kind: .catalog, algorithm: .sha1)
        try writer.commit(
            NewRevision(
                rootCatalog: object.store(in: writer.storage), rootCatalogSize: 10, revision: 2, lastModified: 1))
        writer.close()
        let tags = tags(made)
        for attempt: @Sendable () async throws -> Void in [
            { try await tags.add("x") },
            { try await RepositoryDiff(of: tags.repository, storage: tags.storage).run(from: "1", to: "2") { _ in } },
            { _ = try await GarbageCollection(of: tags.repository, storage: tags.storage).run() },
        ] {
            let error = await #expect(throws: PublishingError.self) { try await attempt() }
            #expect(error?.code == .corrupt)
        }
    }

    @Test("one cannot roll back to a schema that is only read")
    func oldSchema() async throws {
        let made = try await repository(2)
        let file = made.folder.path + "/old-root"
        let maker = try CatalogMaker(at: file, layout: .schema24)
        try maker.add(.directory(.root))
        try maker.finish()
        let object = try RootObject(readFile(file) ?? [], kind: .catalog, algorithm: .sha1)
        let root = try object.store(in: LocalStorage(at: made.storage.string))
        try await tags(made).add("old", root: root)
        let error = await #expect(throws: PublishingError.self) { try await tags(made).rollBack(to: "old") }
        #expect(error?.code == .unsupported)
        #expect(try await made.open().snapshot(.newest).revision == 2)
    }

    @Test("one step is undone without a name, a second one not")
    func undo() async throws {
        let made = try await repository(3)
        #expect(try await tags(made).rollBack().manifest.revision == 4)
        let content = try await made.open().snapshot(.newest).file("/a/file0").readAll()
        #expect(content == RevisionTree.content(2))
        let error = await #expect(throws: PublishingError.self) { try await tags(made).rollBack() }
        #expect(error?.code == .noSuchEntry)
        try await made.check()
    }
}

extension Snapshot {
    /// The hash of the nested catalog at a path.
    fileprivate func catalog(at path: RepositoryPath) async throws -> ContentHash {
        try #require(try await nestedCatalog(at: entry(at: path))).hash
    }
}

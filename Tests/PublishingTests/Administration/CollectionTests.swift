import CASCore
import CVMFS
import Catalog
import FixtureTrees
import Glibc
import LocalServers
import Publishing
import RevisionTrees
import Signing
import Synchronization
import SystemPackage
import Testing

@Suite("Collecting what no revision needs")
struct CollectionTests {
    /// All objects of a storage, by name.
    private func objects(_ made: TestRepository) throws -> Set<String> {
        let storage = try LocalStorage(at: made.storage.string)
        var names: Set<String> = []
        for folder in UInt8.min ... .max {
            names.formUnion(try storage.objects(inFolder: folder).map(\.object.description))
        }
        return names
    }

    /// Makes objects look old: what was stored within a tick of the clock before a collection counts as new.
    private func age(_ made: TestRepository) throws {
        let storage = try LocalStorage(at: made.storage.string)
        for folder in UInt8.min ... .max {
            for file in try storage.objects(inFolder: folder) { age(file.object, made) }
        }
    }

    private func age(_ object: ObjectID, _ made: TestRepository) {
        var times = [timespec(tv_sec: 1_000_000, tv_nsec: 0), timespec(tv_sec: 1_000_000, tv_nsec: 0)]
        utimensat(AT_FDCWD, "\(made.storage)/\(object.serverPath)", &times, 0)
    }

    private func collection(_ made: TestRepository, keeping revisions: Int? = 0) -> GarbageCollection {
        var collection = GarbageCollection(of: TestRepository.name, storage: made.storage)
        collection.keptRevisions = revisions
        return collection
    }

    private func name(_ content: Int) throws -> String {
        try RootObject(RevisionTree.content(content), kind: .file, algorithm: .sha1).object.description
    }

    @Test("what only old revisions hold goes; tags and the newest revision stay whole")
    func basics() async throws {
        let made = try await TestRepository()
        let writer = try made.writer()
        try RevisionTree(["a": [1, 2], "b": [3]]).publish(with: writer, at: WallClock.now())
        try RevisionTree(["a": [1, 4], "b": [3]]).publish(with: writer, tags: ["kept"], at: WallClock.now())
        try RevisionTree(["a": [5], "b": [6]]).publish(with: writer, at: WallClock.now())
        try RevisionTree(["a": [7], "b": [8]]).publish(with: writer, at: WallClock.now())
        try RevisionTree(["a": [7], "b": [9]]).publish(with: writer, at: WallClock.now())
        writer.close()
        try age(made)
        let before = try objects(made)

        var dry = collection(made)
        dry.isDryRun = true
        let foreseen = try await dry.run()
        #expect(try objects(made) == before)

        let report = try await collection(made).run()
        #expect(report.deletedObjects == foreseen.deletedObjects)
        #expect(report.deletedBytes == foreseen.deletedBytes)
        let after = try objects(made)
        #expect(before.subtracting(after).count == report.deletedObjects)
        // trunk, trunk-previous and the tag; not the first, the third, and the empty one.
        #expect(report.keptRoots == 3)
        #expect(report.condemnedRoots == 3)
        for kept in [1, 3, 4, 7, 8, 9] { #expect(after.contains(try name(kept))) }
        for gone in [2, 5, 6] { #expect(!after.contains(try name(gone))) }
        try await made.check()
        let references = try ReflogDatabase(at: made.storage.appending(".cvmfsreflog")).references()
        #expect(references.count { $0.kind == .catalog } == 3)
        let status = readFile("\(made.storage)/.cvmfs_status.json").map { String(decoding: $0, as: UTF8.self) }
        #expect(status?.contains("last_gc") == true)

        // Nothing is left to do, and publishing goes on.
        #expect(try await collection(made).run().deletedObjects == 0)
        try RevisionTree(["a": [2, 5], "b": [9]]).publish(with: made.writer(), at: WallClock.now())
        try await made.check()
    }

    @Test("revisions are kept by number, or by age with the one before", arguments: [0, 1, 2, 10])
    func policy(kept: Int) async throws {
        let made = try await TestRepository(at: UnixTime(1_000_000))
        for revision in 1...5 {
            let time = UnixTime(1_000_000 + Int64(revision) * 1000)
            let writer = try made.writer { time }
            try RevisionTree(["a": [revision]]).publish(with: writer, at: time)
            writer.close()
        }
        let untagged = 5 - 2
        var byNumber = collection(made, keeping: kept)
        byNumber.isDryRun = true
        // The empty one is a revision too; the tags' roots, trunk and trunk-previous, are kept anyhow.
        #expect(try await byNumber.run().condemnedRoots == max(0, untagged + 1 - max(0, kept - 1)))

        var byAge = collection(made, keeping: nil)
        byAge.keptSeconds = Int64(kept) * 1000
        byAge.isDryRun = true
        // At the time of the newest revision, so many are young, itself aside.
        let report = try await byAge.run { UnixTime(1_005_000) }
        #expect(report.condemnedRoots == max(0, untagged + 1 - kept))
    }

    @Test("orphans go when they are old enough, if one asks for it")
    func orphans() async throws {
        let made = try await TestRepository()
        try RevisionTree(["a": [1]]).publish(with: made.writer(), at: WallClock.now())
        let storage = try LocalStorage(at: made.storage.string)
        let orphans = try (100..<110).map { try RootObject(RevisionTree.content($0), kind: .chunk, algorithm: .sha1) }
        for (index, orphan) in orphans.enumerated() {
            try orphan.store(in: storage)
            if index > 0 { age(orphan.object, made) }
        }
        #expect(try await collection(made, keeping: 10).run().deletedObjects == 0)
        var thorough = collection(made, keeping: 10)
        thorough.orphanSeconds = .max
        #expect(try await thorough.run().deletedObjects == 0)
        thorough.orphanSeconds = GarbageCollection.defaultOrphanSeconds
        #expect(try await thorough.run().deletedObjects == 9)
        #expect(try storage.contains(orphans[0].object))
        try await made.check()
    }

    @Test("a repository whose owner has not allowed it is not collected")
    func notCollectable() async throws {
        let made = try await TestRepository(isGarbageCollectable: false)
        let error = await #expect(throws: PublishingError.self) { try await collection(made).run() }
        #expect(error?.code == .unsupported)
    }

    @Test("a second collection is refused")
    func two() async throws {
        let made = try await TestRepository()
        let lock = try LockFile(StateFolder(storage: made.storage).collectionLock)
        let error = await #expect(throws: PublishingError.self) { try await collection(made).run() }
        #expect(error?.code == .locked)
        lock.unlock()
        _ = try await collection(made).run()
    }

    @Test(
        "what a publication takes up again while a collection runs is not deleted, whenever that is",
        arguments: [CollectionStage.begun, .marked, .condemned, .batch, .objectsSwept, .catalogsSwept, .settled])
    func reuse(stage: CollectionStage) async throws {
        let made = try await TestRepository()
        let first = try made.writer()
        // Everything of the first revision is condemned, and then used again.
        let old = RevisionTree(["a": [1, 2, 3], "b": [4, 5]])
        try old.publish(with: first, at: WallClock.now())
        for number in 10..<13 { try RevisionTree(["a": [number]]).publish(with: first, at: WallClock.now()) }
        first.close()
        let keys = try made.keys()
        let storage = made.storage
        try age(made)
        let done = Done()
        var collection = collection(made)
        collection.reached = { reached in
            guard reached == stage, done.first() else { return }
            do {
                let writer = try RepositoryWriter.open(TestRepository.name, storage: storage, keys: keys)
                try old.publish(with: writer, at: WallClock.now())
                writer.close()
            } catch { Issue.record("\(error)") }
        }
        _ = try await collection.run()
        #expect(!done.first())
        try await made.check("at \(stage)")
    }

    @Test("a publication that began before the collection keeps what it has taken up, though it ends after it")
    func longPublication() async throws {
        let made = try await TestRepository()
        let first = try made.writer()
        try RevisionTree(["a": [1, 2, 3]]).publish(with: first, at: WallClock.now())
        for number in 10..<13 { try RevisionTree(["a": [number]]).publish(with: first, at: WallClock.now()) }
        first.close()
        try age(made)
        let writer = try made.writer()
        // Open, and at work: it has renewed what it will name.
        for number in [1, 2] {
            try RootObject(RevisionTree.content(number), kind: .file, algorithm: .sha1).store(in: writer.storage)
        }
        let report = try await collection(made).run()
        #expect(report.sparedObjects == 2)
        let after = try objects(made)
        #expect(after.contains(try name(1)))
        #expect(!after.contains(try name(3)))
        try RevisionTree(["a": [1, 2]]).publish(with: writer, at: WallClock.now())
        writer.close()
        try await made.check()
    }

    private final class Done: Sendable {
        private let isDone = Atomic(false)

        /// Whether it is called for the first time.
        func first() -> Bool { !isDone.exchange(true, ordering: .relaxed) }
    }
}

import CPlatform
import CVMFS
import FixtureTrees
import Foundation
import Glibc
import LocalServers
import RepositoryMaker
import Signing
import SystemPackage
import Testing

@testable import Publishing

@Suite("Transactions")
struct TransactionTests {
    @Test(
        "entries of every kind are added, changed, moved and removed, and read back so",
        arguments: HashAlgorithm.allCases)
    func entries(hash: HashAlgorithm) async throws {
        let fresh = try await FreshRepository(hash: hash)
        let first = try await fresh.begin()
        try await first.addFile(
            "/etc/motd", Array("hello\n".utf8), EntryAttributes(permissions: 0o600, uid: 7, mtime: 5))
        try await first.addSymlink("/etc/link", to: "motd")
        try await first.addSpecial("/dev/null", .character, device: DeviceNumber(major: 1, minor: 3))
        try await first.addSpecial("/run/pipe", .fifo)
        try await first.makeDirectory("/srv", EntryAttributes(permissions: 0o1777))
        try await first.addFile("/usr/bin/tool", Array("#!/bin/sh\n".utf8), EntryAttributes(permissions: 0o755))
        try await first.addFile("/usr/.cvmfscatalog", [])
        let manifest = try #require(try await first.commit(tag: "v1"))
        #expect(manifest.revision == 1)

        let snapshot = try await fresh.snapshot()
        let motd = try await snapshot.entry(at: "/etc/motd")
        #expect(motd.permissions == 0o600 && motd.uid == 7 && motd.mtime == 5)
        #expect(try await snapshot.file("/etc/motd").readAll() == Array("hello\n".utf8))
        #expect(try await snapshot.entry(at: "/dev/null").device == DeviceNumber(major: 1, minor: 3))
        let usr = try await snapshot.entry(at: "/usr")
        #expect(usr.isNestedMountpoint || usr.isNestedRoot)
        #expect(try await fresh.defects() == [])

        let second = try await fresh.begin()
        try await second.rename("/usr", to: "/opt/usr")
        try await second.remove("/etc/link")
        try await second.setAttributes("/etc/motd", EntryAttributes(permissions: 0o444, mtime: 6, mtimeNanoseconds: 7))
        try await second.addFile("/srv", Array("was a directory".utf8))
        #expect(try await second.commit()?.revision == 2)
        let changed = try await fresh.snapshot()
        #expect(try await changed.entryIfPresent(at: "/usr") == nil)
        #expect(try await changed.entryIfPresent(at: "/etc/link") == nil)
        #expect(try await changed.file("/opt/usr/bin/tool").readAll() == Array("#!/bin/sh\n".utf8))
        #expect(try await changed.entry(at: "/etc/motd").permissions == 0o444)
        #expect(try await changed.entry(at: "/etc/motd").mtimeNanoseconds == 7)
        #expect(try await changed.entry(at: "/srv").kind == .file)
        #expect(try await fresh.defects() == [])
    }

    @Test("a marker of a nested catalog that is moved ends one catalog, and begins another")
    func movedMarker() async throws {
        let fresh = try await FreshRepository()
        let first = try await fresh.begin()
        for name in ["a", "b"] { try await first.addFile(RepositoryPath("/\(name)/file"), Array(name.utf8)) }
        try await first.addFile("/a/.cvmfscatalog", [])
        try await first.commit()
        for (path, new) in [("/a/.cvmfscatalog", "/b/.cvmfscatalog"), ("/b/.cvmfscatalog", "/plain")] {
            let transaction = try await fresh.begin()
            try await transaction.rename(RepositoryPath(path), to: RepositoryPath(new))
            try await transaction.commit()
            let snapshot = try await fresh.snapshot()
            #expect(try await snapshot.nestedCatalog(at: snapshot.entry(at: "/a")) == nil)
            let isNested = try await snapshot.nestedCatalog(at: snapshot.entry(at: "/b")) != nil
            #expect(isNested == (new != "/plain"))
            #expect(try await snapshot.file("/a/file").readAll() == Array("a".utf8))
            #expect(try await fresh.defects() == [])
        }
    }

    @Test("a directory is published, and again nothing; --force and a tag make a revision")
    func directory() async throws {
        let fresh = try await FreshRepository()
        try fresh.folder.write(Array("one".utf8), to: "source/a/b/file")
        try fresh.folder.write([UInt8](repeating: 7, count: 100_000), to: "source/large")
        let source = FilePath("\(fresh.folder.path)/source")
        let first = try await fresh.begin()
        let report = try await first.sync(from: source, at: "/images/one")
        #expect(report.added == 5 && report.fileBytes == 100_003)
        #expect(try await first.commit()?.revision == 1)
        #expect(try await fresh.snapshot().file("/images/one/a/b/file").readAll() == Array("one".utf8))
        #expect(try await fresh.defects() == [])

        let second = try await fresh.begin()
        #expect(try await second.sync(from: source, at: "/images/one").unchanged == 5)
        #expect(try await second.commit() == nil)
        let third = try await fresh.begin()
        #expect(try await third.commit(force: true)?.revision == 2)
        let fourth = try await fresh.begin()
        #expect(try await fourth.commit(tag: "v2")?.revision == 3)
        #expect(try await fresh.open().tags().map(\.name).contains("v2"))
        #expect(try await fresh.defects() == [])
    }

    @Test("objects are renewed where another place comes to need them, and left alone where they are")
    func renewal() async throws {
        let fresh = try await FreshRepository()
        let file = try fresh.folder.write(Array("content".utf8), to: "source/file")
        var old = [timespec(tv_sec: 1000, tv_nsec: 0), timespec(tv_sec: 1000, tv_nsec: 0)]
        utimensat(AT_FDCWD, file, &old, 0)
        let source = FilePath("\(fresh.folder.path)/source")
        /// The indexes are free again when it has returned.
        func publish(at place: RepositoryPath) async throws -> Int {
            let transaction = try await fresh.begin()
            try await transaction.sync(from: source, at: place)
            try await transaction.commit()
            return transaction.statistics.unchangedFiles
        }
        _ = try await publish(at: "/")
        let hash = try #require(try await fresh.snapshot().entry(at: "/file").contentHash)
        let path = "\(fresh.storage)/\(ObjectID(hash).serverPath)"
        var status = stat()
        #expect(stat(file, &status) == 0)
        let identity = FileIdentity(status)
        /// What the index would have learned of a file that had been left alone when it was published.
        func teach() async throws {
            let pipeline = try ContentPipeline(storage: try LocalStorage(at: fresh.storage.string))
            pipeline.indexes.files.remember(
                identity, as: StoredContent(size: 7, whole: hash, chunks: [], compression: .zlib))
            try await pipeline.finish()
        }
        func renewed(at place: RepositoryPath) async throws -> Bool {
            utimensat(AT_FDCWD, path, &old, 0)
            try await teach()
            #expect(try await publish(at: place) == 1)
            var status = stat()
            #expect(stat(path, &status) == 0)
            return status.st_mtim.tv_sec != 1000
        }
        #expect(try await !renewed(at: "/"))
        #expect(try await renewed(at: "/copy"))
        // What is lost is stored anew.
        #expect(unlink(path) == 0)
        #expect(try await publish(at: "/") == 0)
        #expect(try await fresh.defects() == [])
    }

    @Test("an aborted transaction changes nothing, leaves no files, and lets the next one in")
    func aborted() async throws {
        let fresh = try await FreshRepository()
        let first = try await fresh.begin()
        try await first.addFile("/x", [1, 2, 3])
        await #expect(throws: PublishingError.self) { _ = try await fresh.begin() }
        await first.abort()
        let second = try await fresh.begin()
        #expect(try await second.commit() == nil)
        #expect(try await fresh.snapshot().entryIfPresent(at: "/x") == nil)
        await #expect(throws: PublishingError.self) { try await second.remove("/x") }
        let left = try LocalStorage(at: fresh.storage.string).path + "/data/txn"
        #expect(try FileNames.list(left) == [])
    }

    @Test("what has failed in the middle is not published")
    func halfDone() async throws {
        struct FailingSource: TreeSource {
            let label = "a source that fails"
            var left: [(String, EntryKind)] = [("/", .directory), ("/a", .directory), ("/b", .fifo)]

            mutating func next() throws -> SourceEntry? {
                guard !left.isEmpty else { throw PublishingError(.source, label) }
                let (path, kind) = left.removeFirst()
                return SourceEntry(path: RepositoryPath(path), kind: kind, permissions: 0o755)
            }
        }
        let fresh = try await FreshRepository()
        let first = try await fresh.begin()
        try await first.addFile("/kept", [1])
        let root = try await first.commit()?.rootCatalog
        let second = try await fresh.begin()
        await #expect(throws: PublishingError.self) { try await second.sync(at: "/") { FailingSource() } }
        let error = await #expect(throws: PublishingError.self) { try await second.commit(force: true) }
        #expect(error?.code == .invalidArgument)
        let snapshot = try await fresh.snapshot()
        #expect(snapshot.rootHash == root)
        _ = try await snapshot.entry(at: "/kept")
        let third = try await fresh.begin()
        #expect(try await third.commit() == nil)
    }

    @Test("what makes no sense is refused, and says why")
    func refused() async throws {
        let fresh = try await FreshRepository()
        let transaction = try await fresh.begin()
        try await transaction.addFile("/file", [])
        func code(_ body: () async throws -> Void) async -> PublishingError.Code? {
            do {
                try await body()
                return nil
            } catch { return (error as? PublishingError)?.code }
        }
        #expect(await code { try await transaction.addFile("/file/below", []) } == .invalidArgument)
        #expect(await code { try await transaction.remove("/absent") } == .noSuchEntry)
        #expect(await code { try await transaction.remove("/") } == .invalidArgument)
        #expect(await code { try await transaction.addFile("/.cvmfs/x", []) } == .invalidArgument)
        #expect(await code { try await transaction.addFile("/.cvmfscatalog", []) } == .invalidArgument)
        #expect(await code { try await transaction.rename("/file", to: "/file/in") } == .invalidArgument)
        #expect(await code { try await transaction.addSpecial("/device", .block) } == .invalidArgument)
        var attributes = EntryAttributes.file
        attributes.xattrs = [.init(name: Array("user.x".utf8), value: [UInt8](repeating: 1, count: 256))]
        #expect(await code { try await transaction.addFile("/y", [], attributes) } == .unsupported)
        #expect(await code { try await transaction.sync(from: "/nonexistent") } == .source)
        await transaction.abort()
    }

    @Test("the same input on the same base has the same root hash, on any number of threads")
    func deterministic() async throws {
        var random = SeededGenerator(for: "the same input on the same base")
        let model = ModelTree.random(&random, entries: 150)
        var changed = model
        changed.mutate(&random, changes: 30)
        var roots: Set<[ContentHash]> = []
        for threads in [1, 2, 5] {
            let fresh = try await FreshRepository()
            var found: [ContentHash] = []
            for tree in [model, changed] {
                let transaction = try await fresh.begin {
                    $0.content.threads = threads
                    $0.balance = CatalogBalance(maximum: 40, minimum: 8)
                }
                try await transaction.sync(at: "/tree") { ModelSource(tree) }
                found.append(try #require(try await transaction.commit()).rootCatalog)
            }
            roots.insert(found)
            #expect(try await fresh.defects() == [])
        }
        #expect(roots.count == 1)
    }

    @Test("a full disk is a clear error, and the old revision stays whole", arguments: [false, true])
    func fullDisk(byCatalogs: Bool) async throws {
        let folder = try TemporaryFolder("full")
        let (storage, keys) = (FilePath("\(folder.path)/storage"), FilePath("\(folder.path)/keys"))
        try FileManager.default.createDirectory(atPath: storage.string, withIntermediateDirectories: true)
        guard
            (try? runToEnd(
                "/bin/mount", ["-t", "tmpfs", "-o", "size=6m", "none", storage.string], log: "/dev/null")) != nil
        else {
            print("not tested: mounting a small disk needs root and a system that allows it")
            return
        }
        defer { try? runToEnd("/bin/umount", ["-l", storage.string], log: "/dev/null") }
        var new = RepositoryInitialization(of: FreshRepository.name, storage: storage, keys: keys)
        new.keyBits = 1024
        try await new.run()
        let first = try await Transaction.begin(FreshRepository.name, storage: storage, keys: keys)
        try await first.addFile("/old", Array("old".utf8))
        let manifest = try #require(try await first.commit())

        var random = SeededGenerator(for: "a full disk")
        var model = ModelTree()
        if byCatalogs {
            let note = ExtendedAttributes.Attribute(name: Array("user.note".utf8), value: random.noise(255))
            for index in 0..<20_000 {
                model[RepositoryPath("/file-\(index)")] = ModelTree.Node(kind: .fifo, xattrs: [note])
            }
        } else {
            for index in 0..<40 {
                model[RepositoryPath("/file-\(index)")] = ModelTree.Node(kind: .file, content: random.noise(300_000))
            }
        }
        let second = try await Transaction.begin(FreshRepository.name, storage: storage, keys: keys)
        do {
            let tree = model
            try await second.sync(at: "/new") { ModelSource(tree) }
            try await second.commit()
            Issue.record("12 MB were stored on a disk of 6")
        } catch let error as PublishingError {
            #expect(error.code == .storage)
            #expect("\(error)".contains("disk is full") || "\(error)".contains("No space"))
        }
        await second.abort()
        let repository = try await Repository.open(
            FreshRepository.name, from: ["file://\(storage)"], trusting: .masterKeys(in: keys),
            cache: MemoryStore(limit: .mebibytes(64)))
        #expect(repository.trusted?.manifest.rootCatalog == manifest.rootCatalog)
        #expect(try await repository.snapshot().file("/old").readAll() == Array("old".utf8))
        #expect(try FileNames.list("\(storage)/data/txn") == [])
    }
}

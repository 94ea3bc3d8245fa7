import CASCore
import CVMFS
import Catalog
import Foundation
import LocalServers
import Signing
import SystemPackage
import Testing

@testable import Publishing

/// A sound repository with everything in it that a check looks at, and damaged copies of it.
@Suite("Checking a storage")
final class CheckTests {
    private let repository: FreshRepository
    private let folder: TemporaryFolder
    private var copies = 0

    init() async throws {
        folder = try TemporaryFolder("check")
        repository = try await FreshRepository()
        try shell(
            """
            mkdir -p tree/dir/sub tree/nested; echo one > tree/one; echo one > tree/dir/same; ln tree/one tree/hard
            ln -s one tree/link; mkfifo tree/pipe; setfattr -n user.x -v y tree/dir/same; : > tree/dir/empty
            head -c 9000000 /dev/zero | tr '\\0' '\\1' > tree/dir/large; : > tree/nested/.cvmfscatalog; echo two > tree/nested/two
            """, in: folder.path)
        let transaction = try await repository.begin()
        try await transaction.sync(from: FilePath("\(folder.path)/tree"))
        try await transaction.commit(tag: "first")
        try shell("echo three > tree/three", in: folder.path)
        let next = try await repository.begin()
        try await next.sync(from: FilePath("\(folder.path)/tree"))
        try await next.commit()
    }

    // MARK: Copies

    private func copy() throws -> FilePath {
        copies += 1
        try shell("cp -a \(repository.storage) copy\(copies)", in: folder.path)
        return FilePath("\(folder.path)/copy\(copies)")
    }

    private func check(_ storage: FilePath, content: Bool = false, keys: FilePath? = nil) async throws -> CheckReport {
        var check = RepositoryCheck(of: FreshRepository.name, storage: storage)
        check.unpacksContents = content
        check.masterKeys = try MasterKeyFiles.keys(in: [keys ?? repository.keys])
        check.clock = { UnixTime(1_700_000_000) }
        return try await check.run()
    }

    private func base(_ storage: FilePath) throws -> Manifest {
        try StoredRepository(FreshRepository.name, at: storage).manifest
    }

    /// Publishes a revision whose catalogs were changed behind everybody's back.
    private func edit(_ storage: FilePath, root sql: String = "", nested nestedSQL: String = "") async throws {
        let files = try LocalStorage(at: storage.string)
        let pipeline = try ContentPipeline(storage: files)
        func edited(_ object: ObjectID, _ sql: String) async throws -> StoredObjectFile {
            let file = "\(folder.path)/catalog-\(UInt64.random(in: 0 ... .max))"
            try files.unpack(object, to: file)
            try WritableDatabase(at: file, label: "catalog").run(sql)
            return try await pipeline.storeObject(FileSource(at: file), kind: .catalog)
        }
        let manifest = try base(storage)
        let rootObject = ObjectID(manifest.rootCatalog, kind: .catalog)
        var rootSQL = sql
        if !nestedSQL.isEmpty {
            let file = "\(folder.path)/root-\(UInt64.random(in: 0 ... .max))"
            try files.unpack(rootObject, to: file)
            let nested = try #require(try FileCatalog(at: FilePath(file)).nestedCatalog(at: "/nested"))
            let stored = try await edited(nested.object, nestedSQL)
            rootSQL += ";UPDATE nested_catalogs SET sha1='\(stored.object.hash)', size=\(stored.size)"
        }
        let root = try await edited(rootObject, rootSQL)
        try await pipeline.finish()
        let keys = try KeyFolder(at: repository.keys, repository: FreshRepository.name, storage: storage)
        let writer = try RepositoryWriter.open(
            FreshRepository.name, storage: storage, keys: keys, clock: { UnixTime(1_700_000_000) })
        defer { writer.close() }
        _ = try writer.commit(
            NewRevision(
                rootCatalog: root.object.hash, rootCatalogSize: root.size, revision: manifest.revision + 1,
                lastModified: 1_700_000_000, tags: []))
    }

    private func entry(_ path: RepositoryPath) async throws -> Entry {
        try await repository.snapshot().entry(at: path)
    }

    private func file(_ object: ObjectID, in storage: FilePath) -> String { "\(storage)/\(object.serverPath)" }

    private func damage(_ path: String, _ change: (inout [UInt8]) -> Void) throws {
        var bytes = try #require(readFile(path))
        change(&bytes)
        try writeFile(bytes, to: path)
    }

    // MARK: Tests

    @Test("what is stored after its folder was looked at is hashed nevertheless")
    func late() throws {
        let storage = try LocalStorage(at: repository.storage.string)
        let ledger = ReferenceLedger()
        let stored = try (UInt8.min...UInt8.max).flatMap { try storage.names(inFolder: $0) }
        let absent = ObjectID(ContentHash(hashing: [1, 2, 3], with: .sha1))
        for object in stored.dropFirst() + [absent] { _ = ledger.add(object, size: nil) }
        // It has not begun, as if all had come later.
        let sweep = ObjectSweep(storage, unpacking: nil)
        let comparison = try StoredComparison(storage, sweep, ledger)
        #expect(comparison.missing == [absent] && comparison.orphans == 0)
        #expect(sweep.found.objects == stored.count - 1 && sweep.found.damaged.isEmpty)
        let whole = ObjectSweep(storage, unpacking: nil)
        try whole.work {}
        let complete = try StoredComparison(storage, whole, ledger)
        #expect(complete.missing == [absent] && complete.orphans == 1)
        #expect(whole.found.objects == stored.count)
    }

    @Test("a sound repository has no defects, whichever way it is checked")
    func sound() async throws {
        let storage = try copy()
        for content in [false, true] {
            let report = try await check(storage, content: content)
            #expect(report.defects == [])
            #expect(report.catalogs >= 4 && report.entries > 20 && report.orphans == 0)
            #expect(report.objects > 10 && report.bytes > 1000)
            #expect(content == (report.contentBytes > 4_000_000))
        }
        var check = RepositoryCheck(of: FreshRepository.name, storage: storage)
        check.clock = { UnixTime(1_700_000_000) }
        #expect(try await check.run().defects == [], "without master keys")
        await #expect(throws: PublishingError.self) {
            try await RepositoryCheck(of: "other.example.org", storage: storage).run()
        }
    }

    @Test("objects that are missing, damaged or not needed are found, with a path that leads to them")
    func objects() async throws {
        let large = try await entry("/dir/large")
        let chunk = try #require(try await repository.snapshot().chunks(of: large).first).object
        let small = try #require(try await entry("/one").object)
        let nestedEntry = try await entry("/nested")
        let nested = try #require(try await repository.snapshot().nestedCatalog(at: nestedEntry)).object
        let manifest = try base(repository.storage)
        let certificate = try #require(manifest.certificateObject)
        let history = ObjectID(try #require(manifest.history), kind: .history)
        let root = ObjectID(manifest.rootCatalog, kind: .catalog)
        let all: [(ObjectID, RepositoryPath?)] = [
            (chunk, "/dir/large"), (small, "/dir/same"), (nested, "/nested"), (root, .root), (certificate, nil),
            (history, nil),
        ]
        for (object, path) in all {
            let missing = try copy()
            try FileManager.default.removeItem(atPath: file(object, in: missing))
            let absent = try await check(missing)
            #expect(
                absent.defects.contains { $0.object == object && (path == nil || $0.path == path) },
                "\(object): \(absent.defects)")
            if object.kind != .certificate, object.kind != .history {
                #expect(absent.defects.contains { $0.kind == .missingObject && $0.object == object }, "\(object)")
            }
            var changes: [(inout [UInt8]) -> Void] = [{ $0[$0.count / 2] ^= 1 }, { $0.removeLast() }]
            if object == small { changes += [{ $0.append(0) }, { $0 = [] }] }
            for (number, change) in changes.enumerated() {
                let damaged = try copy()
                try damage(file(object, in: damaged), change)
                let report = try await check(damaged, content: number == 1)
                #expect(
                    report.defects.contains { $0.kind == .corruptObject && $0.object?.hash == object.hash }
                        || report.defects.contains { $0.object?.hash == object.hash && object.kind != .file },
                    "\(object): \(report.defects)")
                #expect(!report.isSound)
            }
        }
        let storage = try copy()
        let files = try LocalStorage(at: storage.string)
        let pipeline = try ContentPipeline(storage: files)
        _ = try await pipeline.store(BytesSource(Array("nobody needs this".utf8)))
        try await pipeline.finish()
        let report = try await check(storage)
        #expect(report.orphans == 1 && report.orphanBytes > 0 && report.isSound)
    }

    @Test("every kind of damage inside of a catalog is found")
    func catalogs() async throws {
        func found(
            _ kind: CheckDefect.Kind, root: String = "", nested: String = "", content: Bool = false,
            at path: RepositoryPath? = nil
        ) async throws {
            let storage = try copy()
            try await edit(storage, root: root, nested: nested)
            let report = try await check(storage, content: content)
            #expect(
                report.defects.contains { $0.kind == kind && (path == nil || $0.path == path) },
                "\(kind) by \(root)\(nested): \(report.defects)")
        }
        let same = "WHERE name='same'"
        try await found(.malformedEntry, root: "UPDATE catalog SET mode=0 \(same)")
        try await found(.malformedChunks, root: "UPDATE chunks SET offset=offset+1 WHERE offset=0", at: "/dir/large")
        try await found(.missingContent, root: "UPDATE catalog SET hash=NULL \(same)", at: "/dir/same")
        try await found(.wrongSize, root: "UPDATE catalog SET size=size+1 \(same)", content: true, at: "/dir/same")
        try await found(.wrongSize, root: "UPDATE catalog SET size=size+1 \(same)")
        try await found(
            .missingObject, root: "UPDATE catalog SET hash=x'\(String(repeating: "ab", count: 20))' \(same)",
            at: "/dir/same")
        try await found(.nestedMismatch, root: "DELETE FROM nested_catalogs")
        try await found(.nestedMismatch, root: "UPDATE nested_catalogs SET size=size+1", at: "/nested")
        try await found(.nestedMismatch, root: "UPDATE catalog SET flags=1 WHERE name='nested'")
        try await found(.nestedMismatch, root: "UPDATE catalog SET uid=9 WHERE name='nested'", at: "/nested")
        try await found(.nestedMismatch, nested: "UPDATE properties SET value='/other' WHERE key='root_prefix'")
        try await found(.misplacedMarker, nested: "DELETE FROM catalog WHERE name='.cvmfscatalog'", at: "/nested")
        let key = RepositoryPath("/dir/.cvmfscatalog").key
        try await found(
            .misplacedMarker,
            root: "UPDATE catalog SET name='.cvmfscatalog', md5path_1=\(key.first), md5path_2=\(key.second) \(same)",
            at: "/dir/.cvmfscatalog")
        try await found(.unreachableEntry, root: "UPDATE catalog SET parent_1=1 \(same)")
        try await found(.unreachableEntry, root: "UPDATE catalog SET md5path_1=1 \(same)", at: "/dir/same")
        try await found(.wrongCounter, root: "UPDATE statistics SET value=value+1 WHERE counter='self_regular'")
        try await found(.wrongCounter, root: "UPDATE statistics SET value=value+1 WHERE counter='subtree_regular'")
        try await found(.wrongCounter, nested: "DELETE FROM statistics WHERE counter='self_xattr'", at: "/nested")
        try await found(.wrongLinkCount, root: "UPDATE catalog SET hardlinks=7 WHERE name='dir'", at: "/dir")
        try await found(
            .wrongLinkCount, root: "UPDATE catalog SET hardlinks=hardlinks+1 WHERE name='hard'", at: "/hard")
        try await found(
            .malformedCatalog, nested: "UPDATE properties SET value='9.9' WHERE key='schema'", at: "/nested")
        try await found(.malformedCatalog, nested: "DROP TABLE catalog", at: "/nested")
    }

    @Test("what stands beside the objects is checked as readers and publishers do")
    func rootFiles() async throws {
        func found(
            _ kind: CheckDefect.Kind, keys: FilePath? = nil, _ change: (FilePath) throws -> Void
        ) async throws {
            let storage = try copy()
            try change(storage)
            let report = try await check(storage, keys: keys)
            #expect(report.defects.contains { $0.kind == kind }, "\(kind): \(report.defects)")
        }
        try await found(.trust) { try FileManager.default.removeItem(atPath: "\($0)/.cvmfswhitelist") }
        try await found(.trust) { try damage("\($0)/.cvmfswhitelist") { $0[$0.count - 10] ^= 1 } }
        try await found(.trust) { try damage("\($0)/.cvmfspublished") { $0[$0.count - 10] ^= 1 } }
        let other = try await FreshRepository()
        try await found(.trust, keys: other.keys) { _ in }
        try await found(.reflog) { try FileManager.default.removeItem(atPath: "\($0)/.cvmfsreflog") }
        try await found(.reflog) { try damage("\($0)/.cvmfsreflog") { $0[$0.count / 2] ^= 0xFF } }
        try await found(.reflog) { try damage("\($0)/.cvmfsreflog") { $0 = Array("no database".utf8) } }
        let history = ObjectID(try #require(try base(repository.storage).history), kind: .history)
        try await found(.history) { try damage(self.file(history, in: $0)) { $0[$0.count / 2] ^= 1 } }
    }
}

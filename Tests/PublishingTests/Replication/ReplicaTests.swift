import CASCore
import CVMFS
import Catalog
import FixtureTrees
import Foundation
import LocalServers
import RepositoryMaker
import Signing
import Testing
import Transport

@testable import Publishing

@Suite("Replicas")
struct ReplicaTests {
    private func original(in folder: borrowing TemporaryFolder) throws -> RepositoryMaker {
        var maker = try RepositoryMaker(name: "test.example.org", at: "\(folder.path)/original")
        maker.metainfo = "{\"description\": \"a test\"}"
        try maker.folder.write([], to: ".cvmfs_master_replica")
        for number in 0..<30 {
            try maker.file(RepositoryPath("/a/file\(number)"), Array("content \(number % 20)".utf8))
        }
        try maker.file("/chunked", [UInt8](repeating: 7, count: 5000), chunkSize: 1000)
        try maker.file("/plain", [1, 2, 3], compression: .none)
        maker.symlink("/link", to: "plain")
        for name in ["usr", "usr/share", "opt"] {
            for number in 0..<10 {
                try maker.file(RepositoryPath("/\(name)/f\(number)"), Array("\(name) \(number)".utf8))
            }
            try maker.nested(RepositoryPath("/\(name)"))
        }
        return maker
    }

    private func replica(
        _ maker: RepositoryMaker, in folder: borrowing TemporaryFolder, from transport: any ObjectTransport,
        at time: UnixTime? = nil
    ) throws -> Replica {
        let chain = TrustChain(masterKeys: try MasterKey.all(inPEM: maker.masterKeyPEM))
        return Replica(
            of: maker.name, at: "\(folder.path)/replica", from: transport, trusting: chain,
            clock: { time ?? WallClock.now() })
    }

    /// The replica as readers see it: everything is there and right.
    private func check(_ maker: RepositoryMaker, in folder: borrowing TemporaryFolder) async throws {
        let repository = try await Repository.open(
            maker.name, from: ["file://\(folder.path)/replica"],
            trusting: .masterKeys(MasterKey.all(inPEM: maker.masterKeyPEM)),
            cache: DiskStore(at: FilePath("\(folder.path)/cache-\(UUID().uuidString)")))
        let report = try await repository.verify(
            scratch: DiskStore(at: FilePath("\(folder.path)/scratch-\(UUID().uuidString)")))
        #expect(report.isSound, "\(report.defects)")
        for name in [".cvmfspublished", ".cvmfswhitelist"] {
            #expect(readFile("\(folder.path)/replica/\(name)") == readFile("\(folder.path)/original/\(name)"))
        }
    }

    private func code(_ body: () async throws -> Void) async -> PublishingError.Code? {
        do { try await body() } catch { return (error as? PublishingError)?.code }
        return nil
    }

    @Test("a replica has all that its original has, and then only what is new is asked for")
    func incremental() async throws {
        let folder = try TemporaryFolder("replica")
        var maker = try original(in: folder)
        _ = try maker.publish(tags: ["v1"])
        let transport = OriginalTransport("\(folder.path)/original")
        let replica = try replica(maker, in: folder, from: transport)
        let first = try await replica.pull()
        #expect(first.revision == 1)
        #expect(first.catalogs == 4)
        try await check(maker, in: folder)
        // Everything once.
        #expect(Set(transport.requests).count == transport.requests.count)

        transport.reset()
        let again = try await replica.pull()
        #expect(again.isUnchanged)
        #expect(again.objects == 0)
        #expect(transport.requests.count == 4, "\(transport.requests)")

        try maker.file("/opt/new", Array("something new".utf8))
        _ = try maker.publish()
        try maker.file("/opt/newer", Array("something newer".utf8))
        let last = try maker.publish()
        transport.reset()
        let second = try await replica.pull()
        #expect(second.revision == 3)
        // Both new revisions with four catalogs each, two files, the history.
        #expect(second.catalogs == 8)
        #expect(second.objects == 11)
        try await check(maker, in: folder)
        let reflog = try ReflogDatabase(at: FilePath("\(folder.path)/replica/.cvmfsreflog"))
        let kinds = try reflog.references().map(\.kind)
        #expect(kinds.count { $0 == .catalog } == 3)
        #expect(kinds.count { $0 == .history } >= 2)
        #expect(try reflog.references().contains { $0.hash == last.manifest.rootCatalog })
        let status = try #require(readFile("\(folder.path)/replica/.cvmfs_status.json"))
        #expect(String(decoding: status, as: UTF8.self).contains("last_snapshot"))
        #expect(readFile("\(folder.path)/replica/.cvmfs_last_snapshot") != nil)
        #expect(readFile("\(folder.path)/replica/.cvmfs_is_snapshotting") == nil)
        #expect(readFile("\(folder.path)/replica/.cvmfs_master_replica") == nil)
    }

    @Test("a copy that ends early leaves the old revision, and the next one goes on")
    func interrupted() async throws {
        let folder = try TemporaryFolder("replica")
        var maker = try original(in: folder)
        _ = try maker.publish()
        let transport = OriginalTransport("\(folder.path)/original")
        let replica = try replica(maker, in: folder, from: transport)
        var asked = 0
        var rounds = 0
        for answered in stride(from: 0, through: 200, by: 7) {
            transport.reset(answering: answered)
            rounds += 1
            let code = await code { _ = try await replica.pull() }
            if code == nil { break }
            #expect(code == .network)
            #expect(readFile("\(folder.path)/replica/.cvmfspublished") == nil)
            #expect(readFile("\(folder.path)/replica/.cvmfs_is_snapshotting") == nil)
            asked += min(answered, transport.requests.count)
        }
        #expect(rounds > 3)
        try await check(maker, in: folder)
        // Again from a revision that is there.
        for number in 0..<40 { try maker.file(RepositoryPath("/more/file\(number)"), Array("more \(number)".utf8)) }
        let old = readFile("\(folder.path)/replica/.cvmfspublished")
        _ = try maker.publish()
        for answered in [3, 5, 8, 20] {
            transport.reset(answering: answered)
            #expect(await code { _ = try await replica.pull() } == .network)
            #expect(readFile("\(folder.path)/replica/.cvmfspublished") == old)
        }
        transport.reset()
        _ = try await replica.pull()
        try await check(maker, in: folder)
    }

    @Test("objects that are not what they are called are refused, and not kept")
    func forged() async throws {
        let folder = try TemporaryFolder("replica")
        var maker = try original(in: folder)
        let published = try maker.publish()
        let transport = OriginalTransport("\(folder.path)/original")
        let replica = try replica(maker, in: folder, from: transport)
        _ = try await replica.pull()
        let objects = transport.requests.filter { $0.hasPrefix("data/") }
        #expect(objects.count > 40)
        var random = SeededGenerator(for: "objects that are not what they are called")
        for object in objects.shuffled(using: &random).prefix(8) + [published.manifest.rootCatalogObject.serverPath] {
            try forget(object, in: "\(folder.path)/replica", objects)
            let good = try #require(readFile("\(folder.path)/original/\(object)"))
            var flipped = good
            flipped[Int.random(in: 0..<good.count, using: &random)] ^= 1
            for bad in [flipped, Array(good.dropLast()), good + [0], [], random.noise(1 << 20), nil] {
                transport.reset(replacing: [object: bad])
                let code = await code { _ = try await replica.pull() }
                #expect(code == .network || code == .corrupt || code == .untrusted, "\(object)")
                #expect(readFile("\(folder.path)/replica/.cvmfspublished") == nil)
                #expect(readFile("\(folder.path)/replica/\(object)") == nil)
            }
        }
    }

    /// A replica without its manifest, its catalogs and one object.
    private func forget(_ object: String, in replica: String, _ objects: [String]) throws {
        for path in objects where path.hasSuffix("C") || path == object {
            try? FileManager.default.removeItem(atPath: "\(replica)/\(path)")
        }
        try? FileManager.default.removeItem(atPath: "\(replica)/.cvmfspublished")
    }

    @Test("who must not be copied, is not to be trusted, or is an original, is refused")
    func refusals() async throws {
        let folder = try TemporaryFolder("replica")
        var maker = try original(in: folder)
        let first = try maker.publish()
        let oldManifest = try #require(readFile("\(folder.path)/original/.cvmfspublished"))
        let transport = OriginalTransport("\(folder.path)/original")
        let replica = try replica(maker, in: folder, from: transport)
        transport.reset(replacing: [".cvmfs_master_replica": nil])
        #expect(await code { _ = try await replica.pull() } == .unsupported)
        transport.reset()
        let late = UnixTime((first.manifest.published?.seconds ?? 0) + 40 * 86_400)
        let expired = try self.replica(maker, in: folder, from: transport, at: late)
        #expect(await code { _ = try await expired.pull() } == .untrusted)
        let other = Replica(
            of: maker.name, at: "\(folder.path)/replica", from: transport,
            trusting: TrustChain(masterKeys: try MasterKey.all(inPEM: RepositoryKeys().masterKeyPEM)))
        #expect(await code { _ = try await other.pull() } == .untrusted)
        let named = Replica(
            of: "other.example.org", at: "\(folder.path)/other", from: transport,
            trusting: TrustChain(masterKeys: try MasterKey.all(inPEM: maker.masterKeyPEM)))
        #expect(await code { _ = try await named.pull() } == .untrusted)
        let here = Replica(
            of: maker.name, at: "\(folder.path)/original", from: transport,
            trusting: TrustChain(masterKeys: try MasterKey.all(inPEM: maker.masterKeyPEM)))
        #expect(await code { _ = try await here.pull() } == .exists)
        try maker.file("/new", [1])
        _ = try maker.publish()
        _ = try await replica.pull()
        transport.reset(replacing: [".cvmfspublished": oldManifest])
        #expect(await code { _ = try await replica.pull() } == .untrusted)
        try await check(maker, in: folder)
        #expect(await code { _ = try await named.pull() } == .untrusted)
        let moved = Replica(
            of: "other.example.org", at: "\(folder.path)/replica", from: transport,
            trusting: TrustChain(masterKeys: try MasterKey.all(inPEM: maker.masterKeyPEM)))
        #expect(await code { _ = try await moved.pull() } == .noRepository)
    }

    @Test("revisions between are copied also when the copy ended after the newest one")
    func between() async throws {
        let folder = try TemporaryFolder("replica")
        var maker = try original(in: folder)
        _ = try maker.publish()
        let transport = OriginalTransport("\(folder.path)/original")
        let replica = try replica(maker, in: folder, from: transport)
        _ = try await replica.pull()
        var between: [ObjectID] = []
        for number in 0..<3 {
            try maker.file("/opt/new", Array("new \(number)".utf8))
            between.append(try maker.publish().manifest.rootCatalogObject)
        }
        for answered in 4...100 {
            transport.reset(answering: answered)
            if await code({ _ = try await replica.pull() }) == nil { break }
        }
        let storage = try LocalStorage(at: "\(folder.path)/replica")
        for root in between { #expect(try storage.contains(root)) }
        let reflog = try ReflogDatabase(at: FilePath("\(folder.path)/replica/.cvmfsreflog"))
        #expect(try reflog.references().count { $0.kind == .catalog } == 4)
        try await check(maker, in: folder)
    }

    @Test("old roots that were collected are passed over, those of a repository that keeps all are missed")
    func collected() async throws {
        for isCollectable in [true, false] {
            let folder = try TemporaryFolder("replica")
            var maker = try original(in: folder)
            maker.isGarbageCollectable = isCollectable
            let old = try maker.publish(tags: ["old"])
            try maker.file("/new", [1])
            _ = try maker.publish()
            try maker.folder.remove(old.manifest.rootCatalogObject)
            let transport = OriginalTransport("\(folder.path)/original")
            let replica = try replica(maker, in: folder, from: transport)
            #expect(await code { _ = try await replica.pull() } == (isCollectable ? nil : .network))
        }
    }

    @Test("alternative paths are followed and made")
    func alternatives() async throws {
        let folder = try TemporaryFolder("replica")
        var maker = try original(in: folder)
        var published = try maker.publish()
        published.manifest.hasAlternativePaths = true
        try published.sign()
        let root = published.manifest.rootCatalogObject
        let certificate = try #require(published.manifest.certificateObject)
        for object in [root, certificate] {
            let bytes = try maker.folder.read(object.serverPath)
            try maker.folder.remove(object)
            try maker.folder.write(bytes, to: ".cvmfsalt-\(object)")
        }
        let replica = try replica(maker, in: folder, from: OriginalTransport("\(folder.path)/original"))
        _ = try await replica.pull()
        for object in [root, certificate] {
            let path = "\(folder.path)/replica/.cvmfsalt-\(object)"
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: path) == object.serverPath)
            #expect(readFile(path) != nil)
        }
        try await check(maker, in: folder)
    }

    @Test("after a collection that was killed catalogs are not believed")
    func killedCollection() async throws {
        let folder = try TemporaryFolder("replica")
        var maker = try original(in: folder)
        let published = try maker.publish()
        let transport = OriginalTransport("\(folder.path)/original")
        let replica = try replica(maker, in: folder, from: transport)
        _ = try await replica.pull()
        // The revision was collected in part, and is now to come back.
        let objects = transport.requests.filter { $0.hasPrefix("data/") && !$0.hasSuffix("C") }
        for object in objects.prefix(20) {
            try FileManager.default.removeItem(atPath: "\(folder.path)/replica/\(object)")
        }
        try FileManager.default.removeItem(atPath: "\(folder.path)/replica/.cvmfspublished")
        let condemned = StateFolder(storage: FilePath("\(folder.path)/replica")).condemned
        try writeFile(Array("\(published.manifest.rootCatalog)\n".utf8), to: condemned.string)
        _ = try await replica.pull()
        try await check(maker, in: folder)
    }

    @Test("after a crash of the machine torn objects are found, and catalogs not believed")
    func machineCrash() async throws {
        let folder = try TemporaryFolder("replica")
        var maker = try original(in: folder)
        _ = try maker.publish()
        let transport = OriginalTransport("\(folder.path)/original")
        let replica = try replica(maker, in: folder, from: transport)
        _ = try await replica.pull()
        // As after a crash in the middle: the manifest is not there yet, some objects are torn, others were lost, though
        // the catalogs above them were not.
        try writeFile(Array("of another boot".utf8), to: "\(folder.path)/replica/.cvmfs-state/unsynchronised")
        try FileManager.default.removeItem(atPath: "\(folder.path)/replica/.cvmfspublished")
        let objects = transport.requests.filter { $0.hasPrefix("data/") && !$0.hasSuffix("C") }
        for (number, object) in objects.enumerated() {
            if number % 3 == 0 { try writeFile([], to: "\(folder.path)/replica/\(object)") }
            if number % 3 == 1 { try FileManager.default.removeItem(atPath: "\(folder.path)/replica/\(object)") }
        }
        _ = try await replica.pull()
        try await check(maker, in: folder)
        #expect(readFile("\(folder.path)/replica/.cvmfs-state/unsynchronised") == nil)
    }

    @Test("a replica is not copied to while its garbage is collected")
    func besideCollection() async throws {
        let folder = try TemporaryFolder("replica")
        var maker = try original(in: folder)
        _ = try maker.publish()
        let replica = try replica(maker, in: folder, from: OriginalTransport("\(folder.path)/original"))
        _ = try await replica.pull()
        let state = StateFolder(storage: FilePath("\(folder.path)/replica"))
        let lock = try LockFile(state.collectionLock)
        #expect(await code { _ = try await replica.pull() } == .locked)
        lock.unlock()
        _ = try await replica.pull()
    }

    @Test("a copy that is killed goes on, and never has a catalog that lacks something")
    func killed() async throws {
        let folder = try TemporaryFolder("replica")
        var maker = try original(in: folder)
        for number in 0..<400 {
            try maker.file(RepositoryPath("/many\(number % 4)/\(number)"), Array("\(number)".utf8))
        }
        for number in 0..<4 { try maker.nested(RepositoryPath("/many\(number)")) }
        _ = try maker.publish()
        let key = try folder.write(maker.masterKeyPEM, to: "key.pub")
        var random = SeededGenerator(for: "a copy that is killed goes on")
        for round in 0..<5 {
            let child = try ChildProgram(
                "ContentStorer", "pull", "\(folder.path)/replica", maker.name, "file://\(folder.path)/original", key)
            for _ in 0..<Int.random(in: 0...12, using: &random) where try await child.line() == nil { break }
            await child.kill()
            guard let storage = try? LocalStorage(at: "\(folder.path)/replica") else { continue }
            for number in UInt8.min ... .max {
                for file in try storage.objects(inFolder: number) where file.object.kind == .catalog {
                    try storage.unpack(file.object, to: "\(folder.path)/catalog")
                    let catalog = try FileCatalog(at: FilePath("\(folder.path)/catalog"))
                    var rows = catalog.rows()
                    while let row = try rows.next() {
                        guard let object = row.entry.object else { continue }
                        #expect(try storage.contains(object), "round \(round), seed \(random.seed)")
                    }
                    for nested in try catalog.nestedCatalogs() { #expect(try storage.contains(nested.object)) }
                }
            }
        }
        let transport = OriginalTransport("\(folder.path)/original")
        _ = try await replica(maker, in: folder, from: transport).pull()
        try await check(maker, in: folder)
    }

    @Test("the reference's repositories are copied over HTTP, and verified", arguments: Fixtures.reference)
    func fixtures(fixture: FixtureRepository) async throws {
        let folder = try TemporaryFolder("replica")
        let server = try NginxServer(serving: ["/cvmfs/\(fixture.name)": fixture.folder.path])
        let keys = try MasterKey.all(inPEM: Array(Data(contentsOf: fixture.keyFile)))
        let replica = Replica(
            of: fixture.name, at: "\(folder.path)/replica",
            from: try FailoverTransport(servers: [server.url + "/cvmfs/@fqrn@"], repository: fixture.name),
            trusting: TrustChain(masterKeys: keys))
        let report = try await replica.pull()
        #expect(report.objects > 0)
        let published = try fixture.bytes(".cvmfspublished")
        #expect(readFile("\(folder.path)/replica/.cvmfspublished") == published)
        let repository = try await Repository.open(
            fixture.name, from: ["file://\(folder.path)/replica"], trusting: .masterKeys(keys),
            cache: DiskStore(at: FilePath("\(folder.path)/cache")))
        let check = try await repository.verify(scratch: DiskStore(at: FilePath("\(folder.path)/scratch")))
        #expect(check.isSound, "\(check.defects)")
    }
}

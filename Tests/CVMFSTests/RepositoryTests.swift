import CVMFS
import LocalServers
import RepositoryMaker
import Synchronization
import Testing

@Suite("Repositories")
struct RepositoryTests {
    @Test("a newer revision is found when asked for, and snapshots of the old one stay as they are")
    func refresh() async throws {
        var made = try MadeRepository.withTree()
        _ = try made.maker.publish(timestamp: UnixTime(1_790_000_000), whitelistExpires: UnixTime(4_000_000_000))
        let repository = try await made.open()
        let old = try await repository.snapshot()
        try made.maker.file("/etc/motd", Array("changed\n".utf8))
        _ = try made.maker.publish(timestamp: UnixTime(1_790_000_001), whitelistExpires: UnixTime(4_000_000_000))

        // The time to live is not over, so nobody asks yet.
        #expect(try await repository.snapshot().rootHash == old.rootHash)
        let new = try await repository.refresh()
        #expect(new.revision == old.revision + 1)
        #expect(try await repository.snapshot().rootHash == new.rootHash)
        #expect(try await old.file("/etc/motd").readAll() == Array("hello\n".utf8))
        #expect(try await new.file("/etc/motd").readAll() == Array("changed\n".utf8))
        // Nothing new: the same snapshot, with all it has loaded.
        #expect(try await repository.refresh() === new)
    }

    @Test("when the time to live is over, the next snapshot asks the servers")
    func timeToLive() async throws {
        var made = try MadeRepository.withTree()
        _ = try made.maker.publish(ttl: 0)
        let repository = try await made.open()
        #expect(repository.timeToLive == 0)
        let old = try await repository.snapshot()
        _ = try made.maker.publish(ttl: 0)
        #expect(try await repository.snapshot().revision == old.revision + 1)
    }

    @Test("a state by tag, by date, by root hash")
    func selectors() async throws {
        var made = try MadeRepository.withTree()
        let first = try made.maker.publish(
            tags: ["v1"], timestamp: UnixTime(1_790_000_000), whitelistExpires: UnixTime(4_000_000_000))
        try made.maker.file("/etc/motd", Array("second\n".utf8))
        let second = try made.maker.publish(
            tags: ["v2"], timestamp: UnixTime(1_790_001_000), whitelistExpires: UnixTime(4_000_000_000))
        let repository = try await made.open()
        let (one, two) = (first.manifest.rootCatalog, second.manifest.rootCatalog)
        #expect(try await repository.snapshot(.tag("v1")).rootHash == one)
        #expect(try await repository.snapshot(.tag("v2")).rootHash == two)
        #expect(try await repository.snapshot(.date(UnixTime(1_790_000_500))).rootHash == one)
        #expect(try await repository.snapshot(.date(UnixTime(1_790_001_000))).rootHash == two)
        #expect(try await repository.snapshot(.root(one)).rootHash == one)
        #expect(Set(try await repository.tags().map(\.name)) == ["v1", "v2", "trunk", "trunk-previous"])
        for selector in [SnapshotSelector.tag("v3"), .date(UnixTime(1_700_000_000))] {
            let error = await failure { _ = try await repository.snapshot(selector) }
            #expect(error.code == .noSuchTag)
        }
    }

    @Test("a root hash is trust of its own: no key, no manifest, no whitelist is needed")
    func rootHashAlone() async throws {
        var made = try MadeRepository.withTree()
        let published = try made.maker.publish()
        try made.maker.folder.remove(".cvmfspublished")
        try made.maker.folder.remove(".cvmfswhitelist")
        let root = published.manifest.rootCatalog
        let repository = try await Repository.open(
            MadeRepository.name, from: [made.server], trusting: .rootHash(root), cache: made.store())
        let snapshot = try await repository.snapshot(.root(root))
        #expect(try await snapshot.file("/etc/motd").readAll() == Array("hello\n".utf8))
        #expect(try await repository.snapshot().rootHash == root)
        #expect(await failure { _ = try await repository.tags() }.code == .invalidArgument)
    }

    @Test("a pinned certificate needs neither master key nor whitelist")
    func pinned() async throws {
        var made = try MadeRepository.withTree()
        let published = try made.maker.publish()
        try made.maker.folder.remove(".cvmfswhitelist")
        let fingerprint = published.keys.certificate.fingerprint(.sha1)
        let repository = try await Repository.open(
            MadeRepository.name, from: [made.server], trusting: .policy(PinnedCertificatePolicy(fingerprint)),
            cache: made.store())
        #expect(try await repository.snapshot().revision == 1)
        #expect(repository.trusted?.whitelist == nil)
    }

    // MARK: Rollback and blacklist

    @Test("an older state than the last one seen is refused, also by a new process")
    func rollback() async throws {
        var made = try MadeRepository.withTree()
        let old = try made.maker.publish(
            timestamp: UnixTime(1_790_000_000), whitelistExpires: UnixTime(4_000_000_000))
        let new = try made.maker.publish(
            timestamp: UnixTime(1_790_001_000), whitelistExpires: UnixTime(4_000_000_000))
        let repository = try await made.open()
        try old.sign()
        #expect(await failure { try await repository.refresh() } == (.untrusted, "manifestOutdated"))
        // Only the cache's folder links this one to the first.
        #expect(await failure { _ = try await made.open() } == (.untrusted, "manifestOutdated"))

        var forged = old
        forged.manifest.published = UnixTime(1_790_002_000)
        try forged.sign()
        #expect(await failure { _ = try await made.open() } == (.untrusted, "manifestNotNewer"))
        try new.sign()
        #expect(try await made.open().snapshot().revision == 2)
        // A client that has seen nothing has nothing to compare with.
        try old.sign()
        let other = try TemporaryCache()
        #expect(try await made.open(cache: other.store).snapshot().revision == 1)
    }

    @Test("a state in use that becomes blacklisted is refused at the next look")
    func blacklist() async throws {
        var made = try MadeRepository.withTree()
        let published = try made.maker.publish()
        let list = BlacklistBox()
        var options = RepositoryOptions()
        options.blacklist = { list.value }
        let repository = try await made.open(options: options)
        list.value = Blacklist(revisions: [.init(name: MadeRepository.name, lowestAllowed: 2)])
        #expect(await failure { try await repository.refresh() } == (.untrusted, "revisionBlacklisted"))
        list.value = Blacklist(fingerprints: [published.keys.certificate.fingerprint(.sha1)])
        #expect(await failure { _ = try await made.open(options: options) } == (.untrusted, "certificateBlacklisted"))
    }

    // MARK: Several servers, none, and slow ones

    @Test("what a server forges is got from the next one")
    func nextServer() async throws {
        var made = try MadeRepository.withTree()
        let published = try made.maker.publish()
        let bad = try TemporaryFolder("forged")
        let forged = "\(bad.path)/\(MadeRepository.name)"
        var manifest = try published.signedManifest()
        manifest[manifest.count - 1] ^= 1
        try bad.write(manifest, to: "\(MadeRepository.name)/.cvmfspublished")
        try bad.write(published.signedWhitelist(), to: "\(MadeRepository.name)/.cvmfswhitelist")
        for object in [published.manifest.rootCatalogObject, published.manifest.certificateObject].compactMap({ $0 }) {
            try bad.write(made.maker.folder.stored(object), to: "\(MadeRepository.name)/\(object.serverPath)")
        }
        let repository = try await made.open(from: ["file://" + forged, made.server])
        #expect(repository.answeringServer == made.server)
        #expect(try await repository.snapshot().file("/etc/motd").readAll() == Array("hello\n".utf8))
        #expect(
            await failure { _ = try await made.open(from: ["file://" + forged]) }
                == (.untrusted, "manifestSignatureWrong"))
    }

    @Test("without a server the newest state seen stays readable, and what is not cached is an error")
    func offline() async throws {
        var made = try MadeRepository.withTree()
        _ = try made.maker.publish()
        let server = try NginxServer(serving: ["/cvmfs/\(MadeRepository.name)": made.path])
        let url = [server.url(of: MadeRepository.name)]
        let online = try await made.open(from: url)
        _ = try await online.snapshot().file("/etc/motd").readAll()
        server.stop()

        // The one that is open, and one opened anew.
        let snapshot = try await online.refresh()
        #expect(online.offlineReason != nil)
        let repository = try await made.open(from: url)
        #expect(repository.offlineReason != nil && repository.answeringServer == nil)
        for snapshot in [snapshot, try await repository.snapshot()] {
            #expect(try await snapshot.file("/etc/motd").readAll() == Array("hello\n".utf8))
            #expect(await failure { _ = try await snapshot.file("/large").readAll() }.code == .unreachable)
        }
        let empty = try TemporaryCache()
        #expect(await failure { _ = try await made.open(from: url, cache: empty.store) }.code == .unreachable)

        try server.start()
        #expect(try await repository.refresh() === (try await repository.snapshot()))
        #expect(repository.offlineReason == nil)
        #expect(try await repository.snapshot().file("/large").readAll().count == 300_000)
    }

    @Test("the first lookup takes three serial round trips: two pairs of requests, and the nested catalog")
    func roundTrips() async throws {
        var made = try MadeRepository.withTree()
        let published = try made.maker.publish()
        // Each request of a pair is answered when both have been made, so that a serial client would never end.
        let certificate = try #require(published.manifest.certificateObject)
        let pairs = PairedTransport(
            FileTransport(at: FilePath(made.path)),
            pairs: [
                [".cvmfspublished", ".cvmfswhitelist"],
                [certificate.serverPath, published.manifest.rootCatalogObject.serverPath],
            ])
        let repository = try await Repository.open(
            MadeRepository.name, through: pairs, trusting: made.trust(), cache: made.store())
        _ = try await repository.snapshot().entry(at: "/etc/motd")
        #expect(pairs.requests == 4)
        _ = try await repository.snapshot().entry(at: "/usr/bin/tool")
        #expect(pairs.requests == 5)
    }

    @Test(
        "names that are none are refused before anything is asked", arguments: ["", "../etc", "a/b", ".hidden", "a b"])
    func names(name: String) async throws {
        let cache = try TemporaryCache()
        let error = await failure {
            _ = try await Repository.open(name, from: ["file:///"], trusting: .masterKeys([]), cache: cache.store)
        }
        #expect(error.code == .invalidArgument)
    }

    @Test("without a master key the error says where one is looked for")
    func noKeys() async throws {
        let made = try MadeRepository.withTree()
        let error = await #expect(throws: CVMFSError.self) {
            _ = try await Repository.open(
                MadeRepository.name, from: [made.server], trusting: .masterKeys(in: "/nowhere/at/all"),
                cache: made.store())
        }
        #expect(error?.code == .noKeys)
        #expect(error?.message.contains("/nowhere/at/all") == true)
    }
}

/// A blacklist that a test changes while a repository is open.
private final class BlacklistBox: Sendable {
    private let box = Mutex(Blacklist.empty)
    var value: Blacklist {
        get { box.withLock { $0 } }
        set { box.withLock { $0 = newValue } }
    }
}

/// Answers the requests of a pair only when both have been made.
private final class PairedTransport: ObjectTransport {
    private struct State {
        var requests = 0
        var waiting: [String: CheckedContinuation<Void, Never>] = [:]
    }

    private let transport: FileTransport
    private let partners: [String: String]
    private let state = Mutex(State())

    init(_ transport: FileTransport, pairs: [[String]]) {
        self.transport = transport
        partners = Dictionary(uniqueKeysWithValues: pairs.flatMap { [($0[0], $0[1]), ($0[1], $0[0])] })
    }

    var requests: Int { state.withLock { $0.requests } }

    func fetch(_ request: TransferRequest, into sink: some ByteSink) async throws -> TransferReceipt {
        let partner = partners[request.path]
        await withCheckedContinuation { continuation in
            let resumed = state.withLock { state -> [CheckedContinuation<Void, Never>] in
                state.requests += 1
                guard let partner else { return [continuation] }
                if let other = state.waiting.removeValue(forKey: partner) { return [continuation, other] }
                state.waiting[request.path] = continuation
                return []
            }
            for continuation in resumed { continuation.resume() }
        }
        return try await transport.fetch(request, into: sink)
    }
}

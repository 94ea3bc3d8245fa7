import CVMFS
import CatalogFixtures
import FixtureTrees
import LocalServers
import RepositoryMaker
import Testing

/// Attacks on a client that composes everything: what one module lets through, the next must stop.
@Suite("Hostile repositories and servers")
struct HostileRepositoryTests {
    @Test("an object of another name, a bomb, and one cut short are never seen, and leave nothing in the cache")
    func objects() async throws {
        var made = try MadeRepository.withTree()
        let published = try made.maker.publish()
        let snapshot = try await made.open().snapshot()
        let motd = try #require(try await snapshot.entry(at: "/etc/motd").object)
        let tool = try await snapshot.entry(at: "/usr/bin/tool").object
        let good = try published.folder.stored(motd)
        let other = try published.folder.stored(try #require(tool))
        // A well-formed stream of 64 MiB of zeros, far more than the six bytes that the catalog speaks of.
        let bomb = try deflated([UInt8](repeating: 0, count: 64 << 20))
        for attack in [other, bomb, Array(good.dropLast()), good + [0], [], Array("<html>busy</html>".utf8)] {
            try published.folder.damage(motd) { $0 = attack }
            let error = await failure { _ = try await snapshot.file("/etc/motd").readAll() }
            #expect(error.code == .corrupt, "\(attack.count) bytes")
            let cached = try made.store().cached(motd)
            #expect(cached == nil)
        }
        try published.folder.damage(motd) { $0 = good }
        #expect(try await snapshot.file("/etc/motd").readAll() == Array("hello\n".utf8))
    }

    @Test("a catalog that lies about a file's size gives an error, never other bytes")
    func sizes() async throws {
        for size in [5, 7, 0x7FFF_FFFF_FFFF, -1] as [Int64] {
            var made = try MadeRepository()
            try made.maker.file("/motd", Array("hello\n".utf8)) { $0.size = size }
            _ = try made.maker.publish()
            let snapshot = try await made.open().snapshot()
            let error = await failure { _ = try await snapshot.file("/motd").read(10, at: 0) }
            #expect(error.code == .corrupt, "size \(size)")
        }
    }

    @Test("a damaged copy in the cache is dropped and fetched anew")
    func damagedCache() async throws {
        var made = try MadeRepository.withTree()
        _ = try made.maker.publish()
        let snapshot = try await made.open().snapshot()
        _ = try await snapshot.file("/etc/motd").readAll()
        let motd = try #require(try await snapshot.entry(at: "/etc/motd").object)
        let digits = motd.hash.hexadecimal
        try writeFile("short".utf8, to: "\(made.cachePath)/\(digits.prefix(2))/\(digits.dropFirst(2))")
        #expect(try await made.open().snapshot().file("/etc/motd").readAll() == Array("hello\n".utf8))
    }

    @Test("a catalog in the wrong place, or one that is none, is refused")
    func catalogs() async throws {
        var made = try MadeRepository.withTree()
        try made.maker.nested("/etc")
        made.maker.changeCatalog(at: .root) { catalog in
            // Both mountpoints lead to the catalog of /usr.
            try catalog.maker.database.run(
                "UPDATE nested_catalogs SET (sha1, size) = (SELECT sha1, size FROM nested_catalogs WHERE path = '/usr')"
            )
        }
        var published = try made.maker.publish()
        let snapshot = try await made.open().snapshot()
        #expect(await failure { _ = try await snapshot.entry(at: "/etc/motd") }.code == .corrupt)
        #expect(try await snapshot.entry(at: "/usr/bin/tool").size == 10)

        published.manifest.revision += 1
        try published.replaceRootCatalog(with: Array("no database at all".utf8))
        let other = try TemporaryCache()
        #expect(await failure { _ = try await made.open(cache: other.store) } == (.corrupt, "notADatabase"))
    }

    @Test("absurd sizes of catalogs are refused before anything is fetched")
    func catalogSizes() async throws {
        var made = try MadeRepository.withTree()
        made.maker.changeCatalog(at: .root) { catalog in
            try catalog.maker.database.run("UPDATE nested_catalogs SET size = 9000000000000000000")
        }
        _ = try made.maker.publish()
        let repository = try await made.open()
        let before = repository.totals.requests
        #expect(await failure { _ = try await repository.snapshot().entry(at: "/usr/bin/tool") }.code == .corrupt)
        #expect(repository.totals.requests == before)
    }

    @Test("bind mountpoints that lead in a circle end at the longest path, not never")
    func circle() async throws {
        // A root catalog cannot hold its own hash; but two revisions can show each other again and again.
        var made = try MadeRepository.withTree()
        let first = try made.maker.publish()
        let (hash, size) = (first.manifest.rootCatalog, first.root.size)
        var row = EntryRow.directory("/again")
        row.flags |= 0x4000
        made.maker.entry(row)
        made.maker.changeCatalog(at: .root) { catalog in
            try catalog.maker.addBind("/again", hash: hash.description, size: size)
        }
        _ = try made.maker.publish()
        let snapshot = try await made.open().snapshot()
        #expect(try await snapshot.file("/again/etc/motd").readAll() == Array("hello\n".utf8))
        #expect(try await snapshot.file("/again/usr/bin/tool").readAll() == Array("#!/bin/sh\n".utf8))
        #expect(try await snapshot.entryIfPresent(at: "/again/again") == nil)
        var count = 0
        for try await _ in snapshot.walk() { count += 1 }
        #expect(count < 100)
    }

    @Test("every byte of manifest and whitelist that is flipped on the wire is refused or changes nothing")
    func everyByte() async throws {
        var made = try MadeRepository.withTree()
        let published = try made.maker.publish()
        for (name, good) in [
            (".cvmfspublished", try published.signedManifest()), (".cvmfswhitelist", try published.signedWhitelist()),
        ] {
            // The signature alone has 256 bytes: a step that is prime to everything visits all parts in few openings.
            for position in stride(from: 0, to: good.count, by: 7) {
                var bad = good
                bad[position] ^= 0x20
                try published.folder.write(bad, to: name)
                let cache = try TemporaryCache()
                let error = await failure { _ = try await made.open(cache: cache.store) }
                #expect(error.code != nil, "\(name) byte \(position)")
            }
            try published.folder.write(good, to: name)
        }
        #expect(try await made.open().snapshot().revision == 1)
    }

    /// How a server may misbehave while it is asked for the manifest.
    enum Misbehaviour: String, CaseIterable, Sendable {
        case html, endless, reset, short, long, stall, drip, redirect, garbage, error

        /// What is too long is corrupt, what is no manifest is not trusted, and everything else is no answer.
        var code: CVMFSError.Code {
            switch self {
            case .endless, .long: .corrupt
            case .html: .untrusted
            default: .unreachable
            }
        }

        var answer: [HostileServer.Step] {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
            return switch self {
            case .html: [.send(head + "Content-Length: 17\r\n\r\n<html>busy</html>")]
            case .endless: [.send(head + "\r\n"), .sendForever(String(repeating: "C", count: 4096))]
            case .reset: [.send(head + "Content-Length: 500\r\n\r\nC"), .reset]
            case .short: [.send(head + "Content-Length: 500\r\n\r\nCabc"), .close]
            case .long: [.send(head + "Content-Length: 99999999999\r\n\r\nCabc"), .close]
            case .stall: [.send(head + "Content-Length: 500\r\n\r\n"), .stall]
            case .drip: [.send(head + "Content-Length: 50000\r\n\r\n"), .drip("C", pause: 50)]
            case .redirect: [.send("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")]
            case .garbage: [.send("\u{1}\u{2}\u{3}\r\n\r\n"), .close]
            case .error: [.send("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")]
            }
        }
    }

    @Test(
        "a server that misbehaves is left for the next one, and alone it gives an error within the time limits",
        arguments: Misbehaviour.allCases)
    func misbehaving(misbehaviour: Misbehaviour) async throws {
        var made = try MadeRepository.withTree()
        _ = try made.maker.publish()
        let server = try HostileServer { _ in misbehaviour.answer }
        var http = HTTPOptions()
        http.directTimeout = .seconds(1)
        let trust = try made.trust()
        let alone = try TemporaryCache()
        let error = await failure {
            _ = try await Repository.open(
                MadeRepository.name, from: [server.url], trusting: trust, cache: alone.store, transport: http)
        }
        #expect(error.code == misbehaviour.code)
        let repository = try await Repository.open(
            MadeRepository.name, from: [server.url, made.server], trusting: trust, cache: made.store(),
            transport: http)
        #expect(try await repository.snapshot().file("/etc/motd").readAll() == Array("hello\n".utf8))
    }
}

/// The bytes as a zlib stream.
private func deflated(_ bytes: [UInt8]) throws -> [UInt8] {
    var deflater = try Deflater()
    var result: [UInt8] = []
    let collect = { (piece: RawSpan) in piece.withUnsafeBytes { result += $0 } }
    try deflater.update(bytes.span.bytes) { collect($0) }
    try deflater.finish { collect($0) }
    return result
}

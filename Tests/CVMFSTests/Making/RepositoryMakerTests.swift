import CASCore
import CVMFS
import CatalogFixtures
import LocalServers
import RepositoryMaker
import Signing
import Testing

/// The repositories that other tests damage must be sound before.
@Suite("Repositories made for tests")
struct RepositoryMakerTests {
    @Test("a made repository is trusted, sound, and holds what was put in", arguments: HashAlgorithm.allCases)
    func sound(_ algorithm: HashAlgorithm) async throws {
        let folder = try TemporaryFolder("made")
        var maker = try RepositoryMaker(name: "made.example.org", hash: algorithm, at: "\(folder.path)/made")
        let text = Array("hello\n".utf8)
        let long = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 / 7) }
        try maker.file("/etc/motd", text)
        try maker.file("/plain", text, compression: .none)
        try maker.file("/usr/lib/long", long, chunkSize: 30_000)
        try maker.file("/usr/lib/unpacked", long, compression: .none, chunkSize: 60_000)
        maker.symlink("/usr/lib/link", to: "long")
        maker.entry(.special("/dev/null", type: 0o020000, device: 0x103))
        try maker.nested("/usr")
        try maker.nested("/usr/lib")
        try maker.nested("/usr/share/doc")
        maker.metainfo = #"{"email": "nobody@example.org"}"#
        let first = try maker.publish(tags: ["v1"])
        #expect(first.catalogs.count == 4)

        try maker.file("/etc/motd", Array("bye\n".utf8))
        maker.remove("/usr/share/doc")
        let second = try maker.publish()
        #expect(second.manifest.revision == 2)

        let repository = try await Repository.open(
            "made.example.org", from: ["file://\(folder.path)/made"],
            trusting: .masterKeys(MasterKey.all(inPEM: maker.masterKeyPEM)),
            cache: MemoryStore(limit: .mebibytes(16)))
        let report = try await repository.verify(scratch: MemoryStore(limit: .mebibytes(16)))
        #expect(report.defects == [])
        let newest = try await repository.snapshot(.newest)
        #expect(newest.revision == 2)
        #expect(try await newest.file("/etc/motd").readAll() == Array("bye\n".utf8))
        #expect(try await newest.file("/usr/lib/long").readAll() == long)
        #expect(try await newest.file("/usr/lib/unpacked").readAll() == long)
        let tagged = try await repository.snapshot(.tag("v1"))
        #expect(try await tagged.file("/etc/motd").readAll() == text)
        #expect(try await tagged.entryIfPresent(at: "/usr/share/doc/.cvmfscatalog") != nil)
    }

    @Test("what is changed afterwards and signed again is taken for the publisher's")
    func signedAgain() async throws {
        let folder = try TemporaryFolder("made")
        var maker = try RepositoryMaker(name: "made.example.org", at: "\(folder.path)/made")
        try maker.file("/file", [1, 2, 3])
        var published = try maker.publish()
        published.manifest.revision = 99
        try published.sign()
        let open = {
            try await Repository.open(
                "made.example.org", from: ["file://\(folder.path)/made"],
                trusting: .masterKeys(MasterKey.all(inPEM: maker.masterKeyPEM)),
                cache: MemoryStore(limit: .mebibytes(16)))
        }
        #expect(try await open().trusted?.manifest.revision == 99)
        published.keys = .stranger
        try published.sign()
        await #expect(throws: CVMFSError.self) { try await open() }
    }
}

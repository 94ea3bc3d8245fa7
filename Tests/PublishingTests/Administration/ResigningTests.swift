import CASCore
import CVMFS
import Catalog
import FixtureTrees
import Foundation
import LocalServers
import Publishing
import RevisionTrees
import Signing
import SystemPackage
import Testing

@Suite("Renewing a whitelist and the keys")
struct ResigningTests {
    private static let start = UnixTime(1_800_000_000)
    private static func day(_ number: Int64) -> UnixTime { UnixTime(start.seconds + number * 86400) }

    private func resigning(_ made: TestRepository) -> RepositoryResigning {
        var resigning = RepositoryResigning(of: TestRepository.name, storage: made.storage, keys: made.keysPath)
        resigning.keyBits = 1024
        return resigning
    }

    /// Whether a reader with these keys believes what the storage holds.
    private func isTrusted(_ made: TestRepository, _ keys: [MasterKey], at time: UnixTime) throws -> Bool {
        let manifest = readFile("\(made.storage)/.cvmfspublished") ?? []
        let object = try #require(try Manifest(unverified: manifest).certificateObject)
        let storage = try LocalStorage(at: made.storage.string)
        let stored = try #require(try storage.stored(object, limit: 1 << 16))
        let certificate = try object.unpack(stored, size: .atMost(1 << 16))
        do {
            _ = try TrustChain(masterKeys: keys).verify(
                manifest: manifest, whitelist: readFile("\(made.storage)/.cvmfswhitelist"), certificate: certificate,
                name: TestRepository.name, at: time)
            return true
        } catch { return false }
    }

    @Test("an expired whitelist is renewed for thirty days more")
    func renewal() async throws {
        let made = try await TestRepository(at: Self.start)
        let keys = try made.keys().masterKeys()
        #expect(try isTrusted(made, keys, at: Self.day(29)))
        #expect(try !isTrusted(made, keys, at: Self.day(31)))
        let report = try await resigning(made).run { Self.day(31) }
        #expect(report.fingerprints.count == 1)
        #expect(try isTrusted(made, keys, at: Self.day(60)))
        #expect(try !isTrusted(made, keys, at: Self.day(62)))
        try made.writer { Self.day(40) }.close()
    }

    @Test("a new certificate signs from the next revision on, and readers notice nothing")
    func certificate() async throws {
        let made = try await TestRepository(at: Self.start)
        let keys = try made.keys().masterKeys()
        let old = try made.keys().signer().certificate
        var resigning = resigning(made)
        resigning.renewal = .certificate
        let report = try await resigning.run { Self.day(1) }
        #expect(report.fingerprints.count == 2)
        let new = try made.keys().signer().certificate
        #expect(new != old)
        #expect(try isTrusted(made, keys, at: Self.day(2)))
        let before = try Manifest(unverified: readFile("\(made.storage)/.cvmfspublished") ?? []).certificate
        let writer = try made.writer { Self.day(2) }
        let manifest = try RevisionTree(["a": [1]]).publish(with: writer, at: Self.day(2))
        writer.close()
        #expect(manifest.certificate != before)
        #expect(try isTrusted(made, keys, at: Self.day(2)))

        // The old one goes when it is told to.
        resigning.renewal = .whitelist
        #expect(try await resigning.run { Self.day(3) }.fingerprints.count == 2)
        resigning.dropsOtherCertificates = true
        #expect(try await resigning.run { Self.day(3) }.fingerprints == [new.fingerprint(.sha1)])
        #expect(try isTrusted(made, keys, at: Self.day(3)))
        try made.writer { Self.day(3) }.close()
    }

    @Test("dropping other certificates at once signs the newest revision again")
    func dropping() async throws {
        let made = try await TestRepository(at: Self.start)
        let keys = try made.keys().masterKeys()
        var resigning = resigning(made)
        resigning.renewal = .certificate
        resigning.dropsOtherCertificates = true
        let report = try await resigning.run { Self.day(1) }
        #expect(report.fingerprints == [try made.keys().signer().certificate.fingerprint(.sha1)])
        #expect(try isTrusted(made, keys, at: Self.day(1)))
    }

    @Test("a renewal that stops between its two files is completed")
    func interrupted() async throws {
        let made = try await TestRepository(at: Self.start)
        var resigning = resigning(made)
        resigning.renewal = .certificate
        try await resigning.run { Self.day(1) }
        let keys = try made.keys()
        // As it was between the two renames.
        let certificate = readFile(keys.file(.certificate).string) ?? []
        try writeFile(certificate, to: "\(made.keysPath)/\(TestRepository.name).crt.next")
        let stranger = try Certificate.selfSigned(
            commonName: "old", key: RSAPrivateKey(generatingBits: 1024), notBefore: Self.start,
            notAfter: Self.day(1))
        try writeFile(stranger.pem, to: keys.file(.certificate).string)
        #expect(try keys.signer().certificate.pem == certificate)
        #expect(readFile(keys.file(.certificate).string) == certificate)
    }

    @Test("a new master key signs when readers have it, and until then the old one does")
    func masterKey() async throws {
        let made = try await TestRepository(at: Self.start)
        let old = try made.keys().masterKeys()
        var resigning = resigning(made)
        resigning.renewal = .masterKey
        await #expect(throws: PublishingError.self) { try await resigning.run { Self.day(1) } }
        resigning.renewal = .nextMasterKey
        let file = try #require(try await resigning.run { Self.day(1) }.newPublicKey)
        let new = try MasterKey.all(inPEM: readFile(file.string) ?? [])
        #expect(new != old)
        #expect(try isTrusted(made, old, at: Self.day(2)))
        #expect(try isTrusted(made, old + new, at: Self.day(2)))
        // Again: the same one.
        try await resigning.run { Self.day(1) }
        #expect(try MasterKey.all(inPEM: readFile(file.string) ?? []) == new)

        resigning.renewal = .masterKey
        try await resigning.run { Self.day(2) }
        #expect(try made.keys().masterKeys() == new)
        #expect(try isTrusted(made, new, at: Self.day(3)))
        #expect(try isTrusted(made, old + new, at: Self.day(3)))
        #expect(try !isTrusted(made, old, at: Self.day(3)))
        try made.writer { Self.day(3) }.close()
    }

    @Test("a repository that the reference began goes on with its hash and zlib", arguments: Fixtures.small)
    func continued(fixture: FixtureRepository) async throws {
        let folder = try TemporaryFolder("continued")
        let storage = FilePath("\(folder.path)/\(fixture.name)")
        try runToEnd("/bin/cp", ["-r", fixture.folder.path, storage.string], log: "\(folder.path)/log")
        try runToEnd("/bin/chmod", ["-R", "u+w", storage.string], log: "\(folder.path)/log")
        // Its keys are not ours, so it gets new ones.
        let keys = try KeyFolder(at: FilePath("\(folder.path)/keys"), repository: fixture.name, storage: storage)
        try keys.complete(at: WallClock.now(), bits: 1024)
        var resigning = RepositoryResigning(of: fixture.name, storage: storage, keys: keys.path)
        resigning.dropsOtherCertificates = true
        try await resigning.run()

        let before = try ReflogDatabase(at: storage.appending(".cvmfsreflog")).references()
        let writer = try RepositoryWriter.open(fixture.name, storage: storage, keys: keys)
        #expect(writer.settings == RepositorySettings(hash: fixture.hashAlgorithm, deflater: .zlib))
        let old = writer.base
        let manifest = try RevisionTree(["new": [1, 2]]).publish(with: writer, tags: ["ours"], at: WallClock.now())
        writer.close()
        #expect(manifest.revision == old.revision + 1)
        #expect(manifest.metainfo == old.metainfo)
        let after = try ReflogDatabase(at: storage.appending(".cvmfsreflog")).references()
        #expect(Set(after.map(\.hash)).isSuperset(of: before.map(\.hash)))
        let repository = try await Repository.open(
            fixture.name, from: ["file://\(storage)"], trusting: .masterKeys(keys.masterKeys()),
            cache: DiskStore(at: FilePath("\(folder.path)/cache"), reserve: .zero))
        let report = try await repository.verify(
            scratch: DiskStore(at: FilePath("\(folder.path)/scratch"), limit: .unlimited, reserve: .zero))
        #expect(report.defects == [])
        #expect(try await repository.snapshot(.tag("ours")).revision == manifest.revision)
    }
}

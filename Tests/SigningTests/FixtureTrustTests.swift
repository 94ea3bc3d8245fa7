import CASCore
import FixtureTrees
import Signing
import Testing

@Suite("Trust in the repositories of the reference's programs")
struct FixtureTrustTests {
    @Test("is established", arguments: RepositoryFiles.all)
    func verifies(files: RepositoryFiles) throws {
        let trusted = try files.verify()
        let named = try Manifest(unverified: files.manifest)
        let whitelist = try #require(trusted.whitelist)
        #expect(trusted.name == files.name)
        #expect(trusted.manifest == named)
        #expect(trusted.manifest.name == files.name)
        #expect(trusted.certificate.subject == "CN=\(files.name) CernVM-FS Release Managers")
        #expect(whitelist.name == files.name)
        #expect(whitelist.fingerprints == [trusted.certificate.fingerprint(named.hashAlgorithm)])
        #expect(trusted.approval.fingerprint == whitelist.fingerprints[0])
        #expect(trusted.approval.masterKey.map { [$0] } == (files.chain.policy as? WhitelistPolicy)?.masterKeys)
        #expect(trusted.verifiedAt == files.now)
    }

    @Test("comes with every field", arguments: Fixtures.all)
    func fields(fixture: FixtureRepository) throws {
        let manifest = try Manifest(unverified: fixture.bytes(".cvmfspublished"))
        let lines = try fixture.manifest()
        #expect(lines["C"] == manifest.rootCatalog.description)
        #expect(lines["B"] == manifest.rootCatalogSize.map { "\($0)" })
        #expect(lines["D"] == "\(manifest.ttl)")
        #expect(lines["S"] == "\(manifest.revision)")
        #expect(lines["G"] == (manifest.isGarbageCollectable ? "yes" : "no"))
        #expect(lines["A"] == (manifest.hasAlternativePaths ? "yes" : "no"))
        #expect(lines["N"] == manifest.name)
        #expect(lines["X"] == manifest.certificate?.description)
        #expect(lines["H"] == manifest.history?.description)
        #expect(lines["T"] == manifest.published.map { "\($0.seconds)" })
        #expect(lines["M"] == manifest.metainfo?.description)
        #expect(lines["Y"] == manifest.reflog?.description)
        #expect(manifest.microCatalog == nil)
        #expect(manifest.otherFields.isEmpty)
        #expect(manifest.hashAlgorithm == fixture.hashAlgorithm)
        // The reflog's hash is that of the file beside the manifest.
        let reflog = try fixture.bytes(".cvmfsreflog")
        #expect(manifest.reflog == ContentHash(hashing: reflog.span.bytes, with: fixture.hashAlgorithm))
    }

    @Test("is written again as it was read, byte by byte", arguments: Fixtures.all)
    func roundTrip(fixture: FixtureRepository) throws {
        let manifestBytes = try fixture.bytes(".cvmfspublished")
        let letter = try SignedLetter(parsing: manifestBytes, as: .manifest)
        #expect(letter.serialized == manifestBytes)
        #expect(try Manifest(unverified: manifestBytes).serialized() == letter.payload)

        let whitelistBytes = try fixture.bytes(".cvmfswhitelist")
        let signed = try SignedLetter(parsing: whitelistBytes, as: .whitelist)
        #expect(signed.serialized == whitelistBytes)
        let whitelist = try Whitelist(unverified: whitelistBytes)
        // Only minutes and seconds of the expiry are lost, which do not count.
        var expected = signed.payload
        expected.replaceSubrange(26..<30, with: Array("0000".utf8))
        #expect(try whitelist.serialized() == expected)

        let key = try MasterKey(pem: fixture.key())
        #expect(try key.pem == fixture.key())
    }

    @Test("ends with the first second of the hour in which the whitelist expires", arguments: RepositoryFiles.small)
    func expiry(files: RepositoryFiles) throws {
        let expires = try Whitelist(unverified: try #require(files.whitelist)).expires
        #expect(expires.seconds % 3600 == 0)
        #expect(throws: Never.self) { try files.with { $0.now = UnixTime(expires.seconds - 1) }.verify() }
        let late = files.with { $0.now = expires }
        #expect(code(try late.verify()) == .whitelistExpired)
    }

    @Test("holds for a repository of 2015 as long as its whitelist does", .enabled(if: Fixtures.legacy != nil))
    func legacy() throws {
        var files = try RepositoryFiles(try #require(Fixtures.legacy))
        // 2015-11-20T10:59:59Z
        files.now = UnixTime(1_448_017_199)
        let trusted = try files.verify()
        #expect(trusted.manifest.revision == 2)
        #expect(trusted.manifest.ttl == 900)
        #expect(trusted.manifest.rootCatalogSize == 14336)
        #expect(trusted.manifest.published == UnixTime(1_445_428_515))
        #expect(trusted.manifest.metainfo == nil)
        #expect(trusted.manifest.reflog == nil)
        #expect(!trusted.manifest.hasAlternativePaths)
        #expect(trusted.whitelist?.expires.description == "2015-11-20T11:00:00Z")
        #expect(trusted.whitelist?.issued?.description == "2015-10-21T11:55:13Z")
        files.now = UnixTime(1_448_017_200)
        #expect(code(try files.verify()) == .whitelistExpired)
    }

    @Test("is refused when parts of two repositories are mixed")
    func swapped() throws {
        let all = RepositoryFiles.small
        for mine in all {
            for other in all where other.name != mine.name {
                let mixes: [(RepositoryFiles, SigningError.Code)] = [
                    (mine.with { $0.manifest = other.manifest }, .manifestNameMismatch),
                    (mine.with { $0.name = other.name }, .manifestNameMismatch),
                    (mine.with { $0.whitelist = other.whitelist }, .whitelistNameMismatch),
                    (mine.with { $0.chain = other.chain }, .whitelistSignatureWrong),
                    (mine.with { $0.certificateHash = other.certificateHash }, .certificateMismatch),
                    (mine.with { $0.certificate = other.certificate }, .manifestSignatureWrong),
                ]
                for (mix, expected) in mixes {
                    #expect(code(try mix.verify()) == expected)
                }
            }
        }
    }

    @Test("may hang on any of several master keys")
    func severalKeys() throws {
        let keys = try Fixtures.small.map { try MasterKey(pem: $0.key()) }
        #expect(Set(keys).count == 4)
        for files in RepositoryFiles.small {
            let mine = try #require(try files.verify().approval.masterKey)
            for order in [keys, keys.reversed()] {
                var several = files
                several.chain = TrustChain(masterKeys: order)
                #expect(try several.verify().approval.masterKey == mine)
                several.chain = TrustChain(masterKeys: order.filter { $0 != mine })
                #expect(code(try several.verify()) == .whitelistSignatureWrong)
            }
        }
    }

    @Test("may hang on a pinned certificate alone", arguments: RepositoryFiles.all)
    func pinned(files: RepositoryFiles) throws {
        let certificate = try files.verify().certificate
        for algorithm in HashAlgorithm.allCases {
            let fingerprint = certificate.fingerprint(algorithm)
            var pinning = files
            pinning.whitelist = nil
            pinning.chain = TrustChain(pinning: fingerprint)
            pinning.now = UnixTime(.max)
            #expect(!pinning.chain.policy.needsWhitelist)
            let trusted = try pinning.verify()
            #expect(trusted.approval == CertificateApproval(fingerprint: fingerprint))
            #expect(trusted.whitelist == nil)
            var wrong = fingerprint.hash.digest
            wrong[19] ^= 1
            let other = try #require(ContentHash(algorithm: algorithm, digest: wrong))
            pinning.chain = TrustChain(pinning: Fingerprint(other))
            #expect(code(try pinning.verify()) == .certificateNotPinned)
        }
    }
}

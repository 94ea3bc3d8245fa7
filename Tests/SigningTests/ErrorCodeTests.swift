import CASCore
import Signing
import Testing

@Suite("Each way in which trust can fail")
struct ErrorCodeTests {
    struct Failure: Sendable, CustomStringConvertible {
        let code: SigningError.Code
        let cause: String
        let provoke: @Sendable () throws -> Void

        init(_ code: SigningError.Code, _ cause: String, _ provoke: @escaping @Sendable () throws -> Void) {
            self.code = code
            self.cause = cause
            self.provoke = provoke
        }

        var description: String { "\(code): \(cause)" }
    }

    /// Verifies a repository of ours after a change.
    private static func verify(_ change: (inout RepositoryFiles) throws -> Void) throws {
        _ = try RepositoryFiles.signed().with(change).verify()
    }

    private static func verify(_ manifest: (inout Manifest) -> Void) throws {
        var changed = RepositoryFiles.testManifest
        manifest(&changed)
        _ = try RepositoryFiles.signed(manifest: changed).verify()
    }

    private static func verify(whitelist: Whitelist) throws {
        _ = try RepositoryFiles.signed(whitelist: whitelist).verify()
    }

    private static func altered(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        bytes[0] ^= 1
        return bytes
    }

    private struct Refusing: TrustPolicy {
        let needsWhitelist = false

        func approve(
            _ certificate: Certificate, for repository: String, whitelist: [UInt8]?, at time: UnixTime
        ) throws(SigningError) -> CertificateApproval { throw SigningError(.refusedByPolicy, "not today") }
    }

    static let failures: [Failure] = [
        Failure(.manifestMalformed, "empty") { try verify { $0.manifest = [] } },
        Failure(.manifestMalformed, "a page of HTML") { try verify { $0.manifest = Array("<html>\n</html>\n".utf8) } },
        Failure(.manifestMalformed, "no certificate named") {
            try verify { (m: inout Manifest) in m.certificate = nil }
        },
        Failure(.manifestHashMismatch, "altered") { try verify { $0.manifest = altered($0.manifest) } },
        Failure(.manifestNameMismatch, "another") { try verify { $0.name = "other.example.org" } },
        Failure(.manifestNameMismatch, "none") { try verify { (m: inout Manifest) in m.name = nil } },
        Failure(.manifestNameMismatch, "another case") { try verify { $0.name = "Demo.example.org" } },
        Failure(.manifestRootPathWrong, "of a directory") {
            try verify { (m: inout Manifest) in m.rootPath = RepositoryPath("/usr").key }
        },
        Failure(.manifestSignatureWrong, "another certificate") {
            try verify { $0.certificate = TestKeys.otherCertificate.pem }
        },
        Failure(.manifestOutdated, "an earlier time") {
            try verify {
                $0.lastSeen = Breadcrumb(rootCatalog: RepositoryFiles.hash("b"), published: $0.now, revision: 1)
            }
        },
        Failure(.manifestNotNewer, "a lower revision") {
            try verify {
                $0.lastSeen = Breadcrumb(rootCatalog: RepositoryFiles.hash("b"), published: UnixTime(1), revision: 8)
            }
        },
        Failure(.certificateMalformed, "empty") { try verify { $0.certificate = [] } },
        Failure(.certificateMalformed, "a key") { try verify { $0.certificate = try TestKeys.master.masterKey.pem } },
        Failure(.certificateMismatch, "another object") {
            try verify { $0.certificateHash = RepositoryFiles.hash("b") }
        },
        Failure(.certificateNotListed, "another is") {
            try verify(whitelist: RepositoryFiles.testWhitelist(certificates: [TestKeys.otherCertificate]))
        },
        Failure(.certificateNotListed, "none is") {
            try verify(whitelist: RepositoryFiles.testWhitelist(certificates: []))
        },
        Failure(.certificateNotPinned, "another is") {
            try verify { $0.chain = TrustChain(pinning: TestKeys.otherCertificate.fingerprint(.sha1)) }
        },
        Failure(.certificateBlacklisted, "by its SHA-1") {
            try verify { $0.chain.blacklist = Blacklist(fingerprints: [TestKeys.certificate.fingerprint(.sha1)]) }
        },
        Failure(.certificateBlacklisted, "by its SHAKE-128, and pinned") {
            try verify {
                $0.chain = TrustChain(
                    pinning: TestKeys.certificate.fingerprint(.sha1),
                    blacklist: Blacklist(fingerprints: [TestKeys.certificate.fingerprint(.shake128)]))
            }
        },
        Failure(.revisionBlacklisted, "below the lowest") {
            try verify {
                $0.chain.blacklist = Blacklist(revisions: [.init(name: "demo.example.org", lowestAllowed: 8)])
            }
        },
        Failure(.whitelistMissing, "not fetched") { try verify { $0.whitelist = nil } },
        Failure(.whitelistMalformed, "empty") { try verify { $0.whitelist = [] } },
        Failure(.whitelistMalformed, "without its trailer") {
            try verify { $0.whitelist = try RepositoryFiles.testWhitelist().serialized() }
        },
        Failure(.whitelistHashMismatch, "altered") { try verify { $0.whitelist?[0] ^= 1 } },
        Failure(.whitelistNameMismatch, "another") {
            try verify(whitelist: RepositoryFiles.testWhitelist(name: "other.example.org"))
        },
        Failure(.whitelistExpired, "now") {
            try verify(whitelist: RepositoryFiles.testWhitelist(expires: RepositoryFiles.testNow))
        },
        Failure(.whitelistExpired, "a year ago") {
            try verify { $0.now = UnixTime($0.now.seconds + 365 * 86400) }
        },
        Failure(.whitelistSignatureWrong, "another master key") {
            try verify { $0.chain = TrustChain(masterKeys: [try TestKeys.otherMaster.masterKey]) }
        },
        Failure(.whitelistNeedsPKCS7, "it says so") {
            try verify(whitelist: RepositoryFiles.testWhitelist(needsPKCS7: true))
        },
        Failure(.whitelistNeedsCAChain, "it says so") {
            try verify(whitelist: RepositoryFiles.testWhitelist(needsCAChain: true))
        },
        Failure(.noMasterKeys, "none") { try verify { $0.chain = TrustChain(masterKeys: []) } },
        Failure(.keyMalformed, "no key") { _ = try MasterKey(pem: Array("nonsense".utf8)) },
        Failure(.tooLarge, "manifest") {
            try verify { $0.manifest = .init(repeating: 0x0A, count: TrustLimits.manifestBytes + 1) }
        },
        Failure(.tooLarge, "whitelist") {
            try verify { $0.whitelist = .init(repeating: 0x0A, count: TrustLimits.whitelistBytes + 1) }
        },
        Failure(.tooLarge, "certificate") {
            try verify { $0.certificate = .init(repeating: 0x0A, count: TrustLimits.certificateBytes + 1) }
        },
        Failure(.refusedByPolicy, "a policy of the application's") {
            try verify { $0.chain = TrustChain(policy: Refusing()) }
        },
        Failure(.cannotSign, "a line break in a name") {
            _ = try RepositoryFiles.testWhitelist(name: "a\nb").serialized()
        },
    ]

    @Test("has an error of its own", arguments: failures)
    func each(failure: Failure) throws {
        do {
            try failure.provoke()
            Issue.record("nothing was thrown")
        } catch let error as SigningError {
            #expect(error.code == failure.code)
            // One line that says something, and nothing that a terminal would obey.
            #expect(error.message.utf8.count > 8)
            #expect(error.message.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F })
            #expect(error.description == error.message)
        }
    }

    @Test("is provoked here")
    func complete() {
        #expect(Set(Self.failures.map(\.code)) == Set(SigningError.Code.allCases))
    }

    @Test("is not met by the repository that the failures are made of")
    func baseline() throws {
        for algorithm in HashAlgorithm.allCases {
            let trusted = try RepositoryFiles.signed(algorithm: algorithm).verify()
            #expect(trusted.manifest == RepositoryFiles.testManifest)
            #expect(trusted.whitelist == RepositoryFiles.testWhitelist())
            #expect(trusted.certificate == TestKeys.certificate)
        }
    }

    @Test("says whether another server may help")
    func failover() {
        let final: Set<SigningError.Code> = [
            .certificateNotListed, .certificateNotPinned, .certificateBlacklisted, .noMasterKeys, .keyMalformed,
            .refusedByPolicy, .cannotSign,
        ]
        for code in SigningError.Code.allCases {
            #expect(SigningError(code, "").isWorthAnotherServer != final.contains(code))
        }
    }

    @Test("comes in the order of the chain when several apply")
    func order() throws {
        var files = try RepositoryFiles.signed(
            whitelist: RepositoryFiles.testWhitelist(
                expires: RepositoryFiles.testNow, name: "other.example.org", certificates: [TestKeys.otherCertificate],
                needsPKCS7: true))
        let fingerprint = TestKeys.certificate.fingerprint(.sha1)
        files.lastSeen = Breadcrumb(rootCatalog: RepositoryFiles.hash("b"), published: files.now, revision: 8)
        files.certificateHash = RepositoryFiles.hash("b")
        files.chain.blacklist = Blacklist(
            fingerprints: [fingerprint], revisions: [.init(name: files.name, lowestAllowed: 8)])
        let certificate = files.certificate
        files.certificate = []
        files.name = "else.example.org"

        #expect(code(try files.verify()) == .manifestNameMismatch)
        files.name = "demo.example.org"
        #expect(code(try files.verify()) == .manifestOutdated)
        files.lastSeen = Breadcrumb(rootCatalog: RepositoryFiles.hash("b"), published: UnixTime(1), revision: 8)
        #expect(code(try files.verify()) == .manifestNotNewer)
        files.lastSeen = nil
        #expect(code(try files.verify()) == .certificateMismatch)
        files.certificateHash = nil
        #expect(code(try files.verify()) == .certificateMalformed)
        files.certificate = TestKeys.otherCertificate.pem
        #expect(code(try files.verify()) == .manifestSignatureWrong)
        files.certificate = certificate
        #expect(code(try files.verify()) == .certificateBlacklisted)
        files.chain.blacklist.fingerprints = []
        #expect(code(try files.verify()) == .whitelistNameMismatch)
        func sign(_ whitelist: Whitelist) throws {
            files.whitelist = try RepositoryFiles.signed(whitelist: whitelist).whitelist
        }
        try sign(
            RepositoryFiles.testWhitelist(expires: files.now, certificates: [], needsPKCS7: true, needsCAChain: true))
        #expect(code(try files.verify()) == .whitelistExpired)
        try sign(RepositoryFiles.testWhitelist(certificates: [], needsPKCS7: true, needsCAChain: true))
        #expect(code(try files.verify()) == .whitelistNeedsPKCS7)
        try sign(RepositoryFiles.testWhitelist(certificates: [], needsCAChain: true))
        files.chain = TrustChain(masterKeys: [try TestKeys.otherMaster.masterKey], blacklist: files.chain.blacklist)
        #expect(code(try files.verify()) == .whitelistSignatureWrong)
        files.chain = TrustChain(masterKeys: [try TestKeys.master.masterKey], blacklist: files.chain.blacklist)
        #expect(code(try files.verify()) == .certificateNotListed)
        try sign(RepositoryFiles.testWhitelist(needsCAChain: true))
        #expect(code(try files.verify()) == .whitelistNeedsCAChain)
        try sign(RepositoryFiles.testWhitelist())
        #expect(code(try files.verify()) == .revisionBlacklisted)
        files.chain.blacklist = .empty
        #expect(throws: Never.self) { try files.verify() }
    }
}

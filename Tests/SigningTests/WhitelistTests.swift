import CASCore
import Signing
import Testing

@Suite("Whitelist")
struct WhitelistTests {
    private static let sha1 = "E7:C1:54:2F:F4:B6:30:C0:57:30:C5:9B:43:39:F3:20:E2:70:52:0F"
    private static let plain = "e7c1542ff4b630c05730c59b4339f320e270520f"

    private static func read(_ lines: String...) throws -> Whitelist { try read(lines) }

    private static func read(_ lines: [String]) throws -> Whitelist {
        try Whitelist(unverified: Array(lines.map { $0 + "\n" }.joined().utf8))
    }

    private static let head = ["20261124071648", "E21261031071648", "Ndemo.example.org"]

    @Test("has an issue time, an expiry, a name and fingerprints with comments")
    func complete() throws {
        let whitelist = try Self.read(
            Self.head + [
                "# only a comment", Self.sha1, "\(Self.plain)\t# of 2026 ", "", "\(Self.plain)-SHAKE128 #next",
                "\(Self.plain.uppercased())-rmd160", "\(Self.plain)#old", "nonsense", "\(Self.plain)0", " \(Self.sha1)",
                String(repeating: "00:", count: 19) + "00", "e7c1:542ff4b630c05730c59b4339f320e270520f:::", "--",
                String(repeating: "11", count: 20),
            ])
        let hash = try #require(ContentHash(Self.plain))
        let shake = try #require(ContentHash(Self.plain + "-shake128"))
        let ripemd = try #require(ContentHash(Self.plain + "-rmd160"))
        #expect(whitelist.issued?.description == "2026-11-24T07:16:48Z")
        #expect(whitelist.expires.description == "2126-10-31T07:00:00Z")
        #expect(whitelist.name == "demo.example.org")
        #expect(!whitelist.needsPKCS7 && !whitelist.needsCAChain)
        #expect(
            whitelist.entries == [
                .init(Fingerprint(hash)), .init(Fingerprint(hash), comment: "of 2026 "),
                .init(Fingerprint(shake), comment: "next"), .init(Fingerprint(ripemd)),
                .init(Fingerprint(hash), comment: "old"), .init(Fingerprint(hash)),
            ])
        let text = try whitelist.serialized()
        #expect(try Whitelist(unverified: text) == whitelist)
    }

    @Test("may ask for PKCS#7 and a CA chain, in this order and place only")
    func otherProofs() throws {
        let both = try Self.read(Self.head + ["Vpkcs7", "Wcachain", Self.sha1])
        #expect(both.needsPKCS7 && both.needsCAChain && both.entries.count == 1)
        let swapped = try Self.read(Self.head + ["Wcachain", "Vpkcs7", Self.sha1])
        #expect(!swapped.needsPKCS7 && swapped.needsCAChain && swapped.entries.count == 1)
        let late = try Self.read(Self.head + [Self.sha1, "Vpkcs7", "Wcachain"])
        #expect(!late.needsPKCS7 && !late.needsCAChain && late.entries.count == 1)
        let other = try Self.read(Self.head + ["Vpkcs7 ", "wcachain"])
        #expect(!other.needsPKCS7 && !other.needsCAChain && other.entries.isEmpty)
        for whitelist in [both, swapped] { #expect(try Whitelist(unverified: whitelist.serialized()) == whitelist) }
    }

    @Test("does not care about its first line but for the length")
    func issueTime() throws {
        #expect(try Self.read("xxxxxxxxxxxxxx", Self.head[1], Self.head[2]).issued == nil)
        #expect(try Self.read("20260231071648", Self.head[1], Self.head[2]).issued == nil)
    }

    @Test("expires with the hour, whatever stands behind it")
    func expiryHour() throws {
        for rest in ["0000", "5959", "9999", "xx x"] {
            let whitelist = try Self.read(Self.head[0], "E2015112011\(rest)", Self.head[2])
            #expect(whitelist.expires == UnixTime(1_448_017_200))
            #expect(!whitelist.isExpired(at: UnixTime(1_448_017_199)))
            #expect(whitelist.isExpired(at: UnixTime(1_448_017_200)))
        }
        // Also before 1970, where rounding goes the other way.
        let old = Whitelist(issued: UnixTime(-1), expires: UnixTime(-1), name: "a", entries: [])
        #expect(old.expires == UnixTime(-3600))
        #expect(try Whitelist(unverified: old.serialized()) == old)
    }

    @Test(
        "is refused when its first three lines are wrong",
        arguments: [
            [], [""], ["20261124071648"], ["2026112407164", head[1], head[2]], ["202611240716480", head[1], head[2]],
            [head[0], "21261031071648", head[2]], [head[0], "E2126103107164", head[2]],
            [head[0], "E212610310716480", head[2]], [head[0], "X21261031071648", head[2]],
            [head[0], "E2126103107", head[2]], [head[0], "E2126-031071648", head[2]],
            [head[0], "E+1261031071648", head[2]], [head[0], "E21261331071648", head[2]],
            [head[0], "E21260031071648", head[2]], [head[0], "E21261032071648", head[2]],
            [head[0], "E21260229071648", head[2]], [head[0], "E21261031241648", head[2]],
            [head[0], head[1]], [head[0], head[1], "demo.example.org"], [head[0], head[1], "N"],
            [head[0], head[1], ""],
            [head[2], head[1], head[0]],
        ])
    func malformed(lines: [String]) {
        #expect(code(try Self.read(lines)) == .whitelistMalformed)
    }

    @Test("lists a certificate by whichever algorithm", arguments: HashAlgorithm.allCases)
    func listing(algorithm: HashAlgorithm) throws {
        let entry = Whitelist.Entry(TestKeys.certificate.fingerprint(algorithm), comment: "mine")
        let decoys = HashAlgorithm.allCases.map { Whitelist.Entry(TestKeys.otherCertificate.fingerprint($0)) }
        let whitelist = Whitelist(
            issued: RepositoryFiles.testNow, expires: UnixTime(RepositoryFiles.testNow.seconds + 7200),
            name: "demo.example.org", entries: decoys + [entry])
        #expect(whitelist.entry(for: TestKeys.certificate) == entry)
        #expect(whitelist.entry(for: TestKeys.otherCertificate) == decoys[0])
        let trusted = try RepositoryFiles.signed(whitelist: whitelist).verify()
        #expect(trusted.approval.fingerprint == entry.fingerprint)
        // The digits of one algorithm are no fingerprint under another.
        let mislabelled = HashAlgorithm.allCases.filter { $0 != algorithm }.compactMap {
            ContentHash(algorithm: $0, digest: entry.fingerprint.hash.digest)
        }
        let wrong = Whitelist(
            issued: RepositoryFiles.testNow, expires: whitelist.expires, name: whitelist.name,
            entries: mislabelled.map { .init(Fingerprint($0)) })
        #expect(wrong.entries.count == 2 && wrong.entry(for: TestKeys.certificate) == nil)
    }

    @Test("is not written with what could not be read again")
    func unwritable() {
        #expect(code(try RepositoryFiles.testWhitelist(name: "").serialized()) == .cannotSign)
        #expect(code(try RepositoryFiles.testWhitelist(name: "a\nb").serialized()) == .cannotSign)
        #expect(code(try RepositoryFiles.testWhitelist(expires: UnixTime(.max)).serialized()) == .cannotSign)
        let entry = Whitelist.Entry(TestKeys.certificate.fingerprint(.sha1), comment: "a\n\(Self.plain)")
        let whitelist = Whitelist(issued: UnixTime(0), expires: UnixTime(0), name: "a", entries: [entry])
        #expect(code(try whitelist.serialized()) == .cannotSign)
    }

    @Test("of thousands of fingerprints is read, and found to lack one")
    func large() throws {
        let count = (TrustLimits.whitelistBytes - 500) / 60
        let decoys = (0..<count).map { Whitelist.Entry(Fingerprint(RepositoryFiles.hash("\($0)"))) }
        let whitelist = Whitelist(
            issued: RepositoryFiles.testNow, expires: UnixTime(RepositoryFiles.testNow.seconds + 7200),
            name: "demo.example.org", entries: decoys)
        #expect(code(try RepositoryFiles.signed(whitelist: whitelist).verify()) == .certificateNotListed)
    }
}

@Suite("Fingerprint")
struct FingerprintTests {
    @Test("is written as whitelists have it", arguments: HashAlgorithm.allCases)
    func text(algorithm: HashAlgorithm) throws {
        let digest = (0..<20).map { UInt8($0 * 13) }
        let fingerprint = Fingerprint(try #require(ContentHash(algorithm: algorithm, digest: digest)))
        let suffix = [HashAlgorithm.sha1: "", .ripemd160: "-RMD160", .shake128: "-SHAKE128"][algorithm]
        #expect(
            fingerprint.description
                == "00:0D:1A:27:34:41:4E:5B:68:75:82:8F:9C:A9:B6:C3:D0:DD:EA:F7" + (try #require(suffix)))
        #expect(Fingerprint(fingerprint.description) == fingerprint)
        #expect(Fingerprint(fingerprint.description.lowercased()) == fingerprint)
        #expect(Fingerprint(fingerprint.hash.description + "\tcomment") == fingerprint)
    }

    @Test("is the hash of the certificate's DER")
    func ofCertificate() {
        let der = TestKeys.certificate.der
        for algorithm in HashAlgorithm.allCases {
            let expected = ContentHash(hashing: der.span.bytes, with: algorithm)
            #expect(TestKeys.certificate.fingerprint(algorithm).hash == expected)
        }
    }
}

import CASCore
import FixtureTrees
import Foundation
import Signing
import Testing

@Suite("Keys")
struct KeyTests {
    @Test("of a master are read from PEM, several of one text")
    func masterKeys() throws {
        let texts = try Fixtures.small.map { try $0.key() }
        let each = try texts.map { try MasterKey(pem: $0) }
        #expect(Set(each).count == texts.count)
        let bundle =
            Array("words before\n".utf8) + texts.joined(separator: Array("\n# and between\n".utf8))
            + TestKeys.certificate.pem
        #expect(try MasterKey.all(inPEM: Array(bundle)) == each)
        #expect(try MasterKey(pem: Array(bundle)) == each[0])
        #expect(try MasterKey.all(inPEM: []) == [])
        #expect(code(try MasterKey(pem: TestKeys.certificate.pem)) == .keyMalformed)
    }

    @Test("that are damaged, no RSA keys, too short or too long are refused")
    func badKeys() throws {
        let pem = try TestKeys.master.masterKey.pem
        let text = String(decoding: pem, as: UTF8.self)
        let bad = [
            text.replacingOccurrences(of: "END PUBLIC KEY", with: "END PRIVATE KEY"),
            String(text.dropLast(40)), text.replacingOccurrences(of: "MI", with: "M\u{7}"),
            // Ed25519, P-256, RSA with 512 bits, as `openssl pkey -pubout` writes them
            Self.publicKey("MCowBQYDK2VwAyEAZfjVH9Lrs1nzDmM52HAV3jFw0b4X8NL4P7qdLhuWoao="),
            Self.publicKey(
                "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEG4txul3CRyZQv4fIYhrz/M6FCOmymwCNHgvqnR8WWd0Vt71zRD0vpI2ip"
                    + "xOmUZXiIzkTwX6LwKBRZdf7bHmswQ=="),
            Self.publicKey(
                "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAMLcZYztzcW6jXAbzUHAU96QJar+mmyhKYM0PFZV6PGgadLwaC/HVrTu+O"
                    + "MtzQ8D3wOFIGQwM6sbbmjX61Uqak0CAwEAAQ=="),
            Self.publicKey(""), Self.publicKey("AAAA"), Self.publicKey("MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A"),
        ]
        for text in bad { #expect(code(try MasterKey(pem: Array(text.utf8))) == .keyMalformed, "\(text)") }
        // One bad key spoils the file: which of them was meant is not for us to guess.
        #expect(code(try MasterKey.all(inPEM: pem + Array(bad[3].utf8))) == .keyMalformed)
        #expect(code(try MasterKey(pem: .init(repeating: 0x2D, count: TrustLimits.keyBytes + 1))) == .tooLarge)
        #expect(code(try MasterKey(pem: .init(repeating: 0x2D, count: TrustLimits.keyBytes))) == .keyMalformed)
    }

    @Test("that sign survive PEM, and are what they were")
    func privateKey() throws {
        let pem = TestKeys.publisher.pem
        #expect(String(decoding: pem, as: UTF8.self).hasPrefix("-----BEGIN RSA PRIVATE KEY-----\n"))
        let again = try RSAPrivateKey(pem: pem)
        #expect(again.pem == pem)
        #expect(try again.masterKey == TestKeys.publisher.masterKey)
        #expect(try again.masterKey != TestKeys.master.masterKey)
        // PKCS#1 v1.5 has no chance in it.
        for kind in SignedLetter.Kind.allCases {
            let sign = { (key: RSAPrivateKey) in
                try SignedLetter(signing: [0x0A], as: kind, algorithm: .shake128, with: key)
            }
            #expect(try sign(again) == sign(TestKeys.publisher))
            #expect(try sign(again) != sign(TestKeys.master))
        }
    }

    @Test("that sign are refused when they are encrypted, without asking anybody for a password")
    func encrypted() throws {
        let old = """
            -----BEGIN RSA PRIVATE KEY-----
            Proc-Type: 4,ENCRYPTED
            DEK-Info: AES-128-CBC,6B9A3C1E5F7D2A4B8C0E1F2D3C4B5A69

            AAAAAAAAAAAAAAAAAAAAAA==
            -----END RSA PRIVATE KEY-----

            """
        let new = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"
        for text in [old, new, "", Self.publicKey("AAAA")] {
            #expect(code(try RSAPrivateKey(pem: Array(text.utf8))) == .keyMalformed)
        }
        let sneaky = old.replacingOccurrences(of: "RSA PRIVATE KEY", with: "CERTIFICATE")
        #expect(code(try Certificate(pem: Array(sneaky.utf8))) == .certificateMalformed)
        #expect(code(try RSAPrivateKey(pem: .init(repeating: 0x2D, count: TrustLimits.keyBytes + 1))) == .tooLarge)
    }

    @Test("of a useless size are not made", arguments: [-1, 0, 512, 1023, 16385, .max, .min])
    func sizes(bits: Int) {
        #expect(code(try RSAPrivateKey(generatingBits: bits)) == .keyMalformed)
    }

    private static func publicKey(_ base64: String) -> String {
        "-----BEGIN PUBLIC KEY-----\n\(base64)\n-----END PUBLIC KEY-----\n"
    }
}

@Suite("Certificate")
struct CertificateTests {
    @Test("of a fixture says whom it names, and since when", arguments: RepositoryFiles.all)
    func fixture(files: RepositoryFiles) throws {
        let certificate = try Certificate(pem: files.certificate)
        #expect(certificate.subject == "CN=\(files.name) CernVM-FS Release Managers")
        #expect(certificate.notAfter.seconds - certificate.notBefore.seconds == 36500 * 86400)
        #expect(certificate.notBefore <= files.now)
        #expect(certificate.pem == files.certificate)
    }

    @Test("of our own making has what was asked for")
    func selfSigned() throws {
        let made = try Certificate.selfSigned(
            commonName: "Größe\u{1B}[31m, \"x\"", key: TestKeys.publisher, notBefore: UnixTime(-86400),
            notAfter: UnixTime(4_107_542_400), serial: 1)
        // Letters stay, what a terminal would obey does not.
        #expect(made.subject == "CN=Größe\\1B[31m\\, \\\"x\\\"")
        #expect(made.notBefore == UnixTime(-86400))
        #expect(made.notAfter == UnixTime(4_107_542_400))
        #expect(try Certificate(pem: made.pem) == made)
        #expect(TestKeys.certificate != TestKeys.otherCertificate)
        let again = try Certificate.selfSigned(
            commonName: made.subject, key: TestKeys.publisher, notBefore: UnixTime(0), notAfter: UnixTime(1))
        let third = try Certificate.selfSigned(
            commonName: made.subject, key: TestKeys.publisher, notBefore: UnixTime(0), notAfter: UnixTime(1))
        // Serial numbers differ.
        #expect(again.fingerprint(.sha1) != third.fingerprint(.sha1))
    }

    @Test("is not made with a name or a date that X.509 has no room for")
    func unmakeable() {
        let make = { (name: String, end: Int64) throws -> Certificate in
            try Certificate.selfSigned(
                commonName: name, key: TestKeys.publisher, notBefore: UnixTime(0), notAfter: UnixTime(end))
        }
        #expect(code(try make(String(repeating: "x", count: 64), 1)) == nil)
        #expect(code(try make(String(repeating: "x", count: 65), 1)) == .cannotSign)
        #expect(code(try make("x", .max)) == .cannotSign)
    }

    @Test("may be outdated, and may be anybody's: it is a vessel for a key")
    func vessel() throws {
        var files = try RepositoryFiles.signed()
        let old = try Certificate.selfSigned(
            commonName: "somebody else", key: TestKeys.publisher, notBefore: UnixTime(1), notAfter: UnixTime(2))
        files.certificate = old.pem
        files.whitelist = try RepositoryFiles.signed(
            whitelist: RepositoryFiles.testWhitelist(certificates: [old])
        ).whitelist
        #expect(try files.verify().certificate == old)
        // The same key in another certificate is not the same certificate.
        files.certificate = TestKeys.certificate.pem
        #expect(code(try files.verify()) == .certificateNotListed)
    }

    @Test("is found among other things, under the names that the reference takes")
    func labels() throws {
        let text = String(decoding: TestKeys.certificate.pem, as: UTF8.self)
        for label in ["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"] {
            let named = "Certificate:\n    Data:\n" + text.replacingOccurrences(of: " CERTIFICATE", with: " \(label)")
            #expect(try Certificate(pem: Array(named.utf8)) == TestKeys.certificate)
        }
        let second = try TestKeys.master.masterKey.pem + TestKeys.certificate.pem + TestKeys.otherCertificate.pem
        #expect(try Certificate(pem: second) == TestKeys.certificate)
        let other = text.replacingOccurrences(of: " CERTIFICATE", with: " CERTIFICATE REQUEST")
        #expect(code(try Certificate(pem: Array(other.utf8))) == .certificateMalformed)
    }

    @Test("without an RSA key is refused")
    func otherKey() {
        // P-256, self-signed, by `openssl req -x509`
        #expect(code(try Certificate(pem: Array(Self.p256.utf8))) == .certificateMalformed)
    }

    private static let p256 = """
        -----BEGIN CERTIFICATE-----
        MIIBdjCCARugAwIBAgIUAUcMq1SIA489y1i0JAq237599Z0wCgYIKoZIzj0EAwIw
        DzENMAsGA1UEAwwEcDI1NjAgFw0yNjExMjQxMDE3NTNaGA8yMTI2MTAzMTEwMTc1
        M1owDzENMAsGA1UEAwwEcDI1NjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABBuL
        cbpdwkcmUL+HyGIa8/zOhQjpspsAjR4L6p0fFlndFbe9c0Q9L6SNoqcTplGV4iM5
        E8F+i8CgUWXX+2x5rMGjUzBRMB0GA1UdDgQWBBQZONqFreFqB2R32K0Wzwt1aBru
        rTAfBgNVHSMEGDAWgBQZONqFreFqB2R32K0Wzwt1aBrurTAPBgNVHRMBAf8EBTAD
        AQH/MAoGCCqGSM49BAMCA0kAMEYCIQCW2R65XlCdDD8bqtyC9g+8nDUu4uyWqM5+
        BVRNKKj5CQIhAITw9bQKEC/AFlkRxAPzHNb60Wsso1RfnFAvBwtNqZ8q
        -----END CERTIFICATE-----

        """
}

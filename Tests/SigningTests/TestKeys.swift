import CASCore
import Signing

/// Keys of a publisher of ours, made once a run, and what they sign.
enum TestKeys {
    static let master = key()
    static let otherMaster = key()
    static let publisher = key()
    static let otherPublisher = key()

    static let certificate = selfSigned(publisher, "demo.example.org CernVM-FS Release Managers")
    static let otherCertificate = selfSigned(otherPublisher, "other")

    // 1024 bits: a fifth of the time, and nothing here depends on how hard they are to break.
    private static func key() -> RSAPrivateKey {
        need { () throws(SigningError) in try RSAPrivateKey(generatingBits: 1024) }
    }

    private static func selfSigned(_ key: RSAPrivateKey, _ name: String) -> Certificate {
        need { () throws(SigningError) in
            try Certificate.selfSigned(
                commonName: name, key: key, notBefore: UnixTime(0), notAfter: UnixTime(86400 * 365))
        }
    }

    private static func need<Value>(_ make: () throws(SigningError) -> Value) -> Value {
        do {
            return try make()
        } catch {
            preconditionFailure("no test key can be made: \(error)")
        }
    }
}

extension RepositoryFiles {
    /// The time at which the repository of ours is read.
    static let testNow = UnixTime(1_795_500_000)

    /// A repository of ours; what is given is signed, whatever it is.
    static func signed(
        manifest: Manifest = testManifest, whitelist: Whitelist = testWhitelist(), algorithm: HashAlgorithm = .sha1
    ) throws -> RepositoryFiles {
        try signing(manifestText: manifest.serialized(), whitelistText: whitelist.serialized(), algorithm: algorithm)
    }

    static func signing(
        manifestText: [UInt8]? = nil, whitelistText: [UInt8]? = nil, algorithm: HashAlgorithm = .sha1
    ) throws -> RepositoryFiles {
        let manifest = try SignedLetter(
            signing: manifestText ?? testManifest.serialized(), as: .manifest, algorithm: algorithm,
            with: TestKeys.publisher)
        let whitelist = try SignedLetter(
            signing: whitelistText ?? testWhitelist().serialized(), as: .whitelist, algorithm: algorithm,
            with: TestKeys.master)
        return RepositoryFiles(
            name: "demo.example.org", manifest: manifest.serialized, whitelist: whitelist.serialized,
            certificate: TestKeys.certificate.pem, chain: TrustChain(masterKeys: [try TestKeys.master.masterKey]),
            now: testNow)
    }

    static func hash(_ text: String, _ algorithm: HashAlgorithm = .sha1) -> ContentHash {
        ContentHash(hashing: Array(text.utf8).span.bytes, with: algorithm)
    }

    static let testManifest = Manifest(
        rootCatalog: hash("root"), rootCatalogSize: 4096, revision: 7, name: "demo.example.org",
        certificate: hash("certificate"), published: UnixTime(testNow.seconds - 60))

    static func testWhitelist(
        expires: UnixTime = UnixTime(testNow.seconds + 86400), name: String = "demo.example.org",
        certificates: [Certificate] = [TestKeys.certificate], needsPKCS7: Bool = false, needsCAChain: Bool = false
    ) -> Whitelist {
        Whitelist(
            issued: testNow, expires: expires, name: name,
            entries: certificates.map { Whitelist.Entry($0.fingerprint(.sha1)) }, needsPKCS7: needsPKCS7,
            needsCAChain: needsCAChain)
    }
}

package import Signing

/// The keys of a publisher: one that signs whitelists, one that signs manifests, and the certificate of the latter.
package struct RepositoryKeys: Sendable {
    package let master: RSAPrivateKey
    package let publisher: RSAPrivateKey
    package let certificate: Certificate

    /// New ones.
    /// - Parameter bits: 1024 take a fifth of the time of 2048, and no test depends on how hard they are to break.
    package init(bits: Int = 1024, commonName: String = "test CernVM-FS Release Managers") throws {
        master = try RSAPrivateKey(generatingBits: bits)
        publisher = try RSAPrivateKey(generatingBits: bits)
        certificate = try Certificate.selfSigned(
            commonName: commonName, key: publisher, notBefore: UnixTime(0), notAfter: UnixTime(4_000_000_000))
    }

    /// Made once a process; for whoever does not care.
    package static let shared: RepositoryKeys = made()
    /// Another publisher, whom nobody should trust.
    package static let stranger: RepositoryKeys = made()

    /// The public master key as a file (`NAME.pub`).
    package var masterKeyPEM: [UInt8] {
        get throws { try master.masterKey.pem }
    }

    private static func made() -> RepositoryKeys {
        do { return try RepositoryKeys() } catch { preconditionFailure("no test keys can be made: \(error)") }
    }
}

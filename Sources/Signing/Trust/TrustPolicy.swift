/// Decides whose certificate may sign a repository.
///
/// `TrustChain` proves that a certificate's key has signed a manifest; the policy says whether that is enough.
/// `WhitelistPolicy` asks the master keys, as CernVM-FS does everywhere; `PinnedCertificatePolicy` knows the one
/// certificate already. Another one (certificate authorities, a transparency log) is a type with this conformance.
public protocol TrustPolicy: Sendable {
    /// Whether `approve` looks at the whitelist, so that it has to be fetched.
    var needsWhitelist: Bool { get }

    /// Accepts a certificate, or throws.
    ///
    /// - Parameters:
    ///   - certificate: its key has signed the manifest.
    ///   - repository: the name (fqrn) of the repository that is wanted.
    ///   - whitelist: the file `.cvmfswhitelist` as it came, not verified; `nil` when it was not fetched.
    ///   - time: what the time is.
    /// - Throws: `SigningError`; for reasons of your own with the code `refusedByPolicy`.
    func approve(
        _ certificate: Certificate, for repository: String, whitelist: [UInt8]?, at time: UnixTime
    ) throws(SigningError) -> CertificateApproval
}

/// Why a policy accepted a certificate.
public struct CertificateApproval: Sendable, Hashable {
    /// The fingerprint that the certificate was found by.
    public let fingerprint: Fingerprint
    /// The whitelist that lists it, verified; `nil` when the policy needs none.
    public let whitelist: Whitelist?
    /// The master key that signed the whitelist.
    public let masterKey: MasterKey?

    public init(fingerprint: Fingerprint, whitelist: Whitelist? = nil, masterKey: MasterKey? = nil) {
        self.fingerprint = fingerprint
        self.whitelist = whitelist
        self.masterKey = masterKey
    }
}

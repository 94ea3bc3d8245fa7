/// A manifest that has been proven to be the repository's, and what the proof consists of.
///
/// `TrustChain.verify` is the only way to one.
public struct TrustedManifest: Sendable, Hashable {
    /// The repository's name, which the manifest bears.
    public let name: String
    public let manifest: Manifest
    /// Its key has signed the manifest.
    public let certificate: Certificate
    /// Why that certificate may.
    public let approval: CertificateApproval
    /// When, by the clock of who verified, all this was true.
    public let verifiedAt: UnixTime

    init(
        name: String, manifest: Manifest, certificate: Certificate, approval: CertificateApproval, verifiedAt: UnixTime
    ) {
        self.name = name
        self.manifest = manifest
        self.certificate = certificate
        self.approval = approval
        self.verifiedAt = verifiedAt
    }

    /// The whitelist that the certificate is on, verified; `nil` under a policy that needs none.
    public var whitelist: Whitelist? { approval.whitelist }
}

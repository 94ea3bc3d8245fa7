import CASCore

/// Accepts one certificate, whatever a whitelist says.
///
/// For a repository whose publisher is known in person: no master key and no whitelist is needed, nothing expires, and
/// a new certificate of the publisher's is refused until its fingerprint is told.
public struct PinnedCertificatePolicy: TrustPolicy {
    public let fingerprint: Fingerprint

    public init(_ fingerprint: Fingerprint) { self.fingerprint = fingerprint }

    public var needsWhitelist: Bool { false }

    /// - Throws: `SigningError` (`certificateNotPinned`).
    public func approve(
        _ certificate: Certificate, for repository: String, whitelist: [UInt8]?, at time: UnixTime
    ) throws(SigningError) -> CertificateApproval {
        let found = certificate.fingerprint(fingerprint.hash.algorithm)
        guard found == fingerprint else {
            throw SigningError(
                .certificateNotPinned,
                "\(repository) is signed by '\(certificate.subject)' (\(found)), but \(fingerprint) is pinned")
        }
        return CertificateApproval(fingerprint: fingerprint)
    }
}

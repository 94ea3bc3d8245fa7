import CASCore

/// Accepts the certificates on a whitelist that one of the master keys has signed.
///
/// In this order: the whitelist can be read, is the repository's, has not expired, is signed by one of the keys; the
/// certificate is on it. Signatures by PKCS#7 and chains to certificate authorities need a folder of authorities and
/// revocation lists, which are not supported; whitelists that ask for them are refused with errors of their own.
/// Source: format 2.3, 2.4.
public struct WhitelistPolicy: TrustPolicy {
    /// Any of them may have signed.
    public let masterKeys: [MasterKey]

    public init(masterKeys: [MasterKey]) { self.masterKeys = masterKeys }

    public var needsWhitelist: Bool { true }

    /// - Throws: `SigningError` with a code that begins with `whitelist`, or `noMasterKeys`, `certificateNotListed`,
    ///   `tooLarge`.
    public func approve(
        _ certificate: Certificate, for repository: String, whitelist bytes: [UInt8]?, at time: UnixTime
    ) throws(SigningError) -> CertificateApproval {
        guard !masterKeys.isEmpty else {
            throw SigningError(
                .noMasterKeys,
                "no master key is given to verify the whitelist of \(repository) with; name one (NAME.pub)")
        }
        guard let bytes else {
            throw SigningError(.whitelistMissing, "the whitelist of \(repository) is needed and was not fetched")
        }
        let whitelist = try Whitelist(unverified: bytes)
        guard whitelist.name.utf8.elementsEqual(repository.utf8) else {
            throw SigningError(
                .whitelistNameMismatch, "the whitelist is that of \(quoted(whitelist.name.utf8)), not of \(repository)")
        }
        guard !whitelist.isExpired(at: time) else {
            throw SigningError(
                .whitelistExpired,
                "the whitelist of \(repository) expired at \(whitelist.expires) and it is \(time): "
                    + "its owner has to sign it again (or this clock is wrong)")
        }
        guard !whitelist.needsPKCS7 else {
            throw SigningError(
                .whitelistNeedsPKCS7, "the whitelist of \(repository) is signed by PKCS#7, which is not supported")
        }
        let letter = try SignedLetter(parsing: bytes, as: .whitelist)
        guard let masterKey = masterKeys.first(where: { letter.isSigned(by: $0.key) }) else {
            throw SigningError(
                .whitelistSignatureWrong,
                "none of the \(masterKeys.count) master keys has signed the whitelist of \(repository)")
        }
        guard let entry = whitelist.entry(for: certificate) else {
            throw SigningError(
                .certificateNotListed,
                "the certificate of '\(certificate.subject)' (\(certificate.fingerprint(.sha1))) "
                    + "is not on the whitelist of \(repository)")
        }
        guard !whitelist.needsCAChain else {
            throw SigningError(
                .whitelistNeedsCAChain,
                "the whitelist of \(repository) wants a chain to a certificate authority, which is not supported")
        }
        return CertificateApproval(fingerprint: entry.fingerprint, whitelist: whitelist, masterKey: masterKey)
    }
}

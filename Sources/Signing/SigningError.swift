/// Why something is not trusted, or cannot be signed.
public struct SigningError: Error, Sendable, CustomStringConvertible {
    public enum Code: String, Sendable, CaseIterable {
        /// No signed letter, or a field is missing, repeated wrongly or nonsense.
        case manifestMalformed
        /// The manifest's text is not what its own hash says: damaged on the way, or forged.
        case manifestHashMismatch
        /// The manifest is another repository's.
        case manifestNameMismatch
        /// The manifest is not that of a repository's root.
        case manifestRootPathWrong
        /// The manifest is not signed by the certificate.
        case manifestSignatureWrong
        /// The manifest is older, by its time, than one already seen: an old server, or a replay.
        case manifestOutdated
        /// The manifest's revision is lower than one already seen, or the same with another root.
        case manifestNotNewer

        /// No X.509 certificate with an RSA key, in PEM.
        case certificateMalformed
        /// The certificate is not the object that the manifest names.
        case certificateMismatch
        /// The certificate's fingerprint is not on the whitelist.
        case certificateNotListed
        /// The certificate is not the one that is pinned.
        case certificateNotPinned
        /// The certificate is on the blacklist.
        case certificateBlacklisted
        /// The blacklist refuses this revision of the repository.
        case revisionBlacklisted

        /// The policy needs a whitelist, and none was given.
        case whitelistMissing
        /// No signed letter, or one of the first three lines is wrong.
        case whitelistMalformed
        /// The whitelist's text is not what its own hash says: damaged on the way, or forged.
        case whitelistHashMismatch
        /// The whitelist is another repository's.
        case whitelistNameMismatch
        /// The whitelist has expired; its owner must sign a new one.
        case whitelistExpired
        /// No master key has signed the whitelist.
        case whitelistSignatureWrong
        /// The whitelist is signed by PKCS#7 (`Vpkcs7`), which is not supported.
        case whitelistNeedsPKCS7
        /// The whitelist wants certificates that chain to a certificate authority (`Wcachain`); not supported.
        case whitelistNeedsCAChain

        /// There is no master key to verify a whitelist with.
        case noMasterKeys
        /// A key is no RSA key in PEM, or too short or too long.
        case keyMalformed
        /// More bytes than anything legitimate has.
        case tooLarge
        /// A `TrustPolicy` of the application's own refuses the certificate.
        case refusedByPolicy
        /// Something cannot be written or signed.
        case cannotSign
    }

    public let code: Code
    /// What failed, where, and what to do about it; one line.
    public let message: String
    /// The error behind this one.
    public let cause: (any Error)?

    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    /// Whether another server of the repository may have better files.
    ///
    /// So it is for what came damaged, forged or old. A certificate that is blacklisted, not listed or not pinned is so
    /// everywhere, and keys are the reader's own. Source: format 2.4, last paragraph.
    public var isWorthAnotherServer: Bool {
        switch code {
        case .manifestMalformed, .manifestHashMismatch, .manifestNameMismatch, .manifestRootPathWrong,
            .manifestSignatureWrong, .manifestOutdated, .manifestNotNewer, .certificateMalformed, .certificateMismatch,
            .revisionBlacklisted, .whitelistMissing, .whitelistMalformed, .whitelistHashMismatch,
            .whitelistNameMismatch, .whitelistExpired, .whitelistSignatureWrong, .whitelistNeedsPKCS7,
            .whitelistNeedsCAChain, .tooLarge:
            true
        case .certificateNotListed, .certificateNotPinned, .certificateBlacklisted, .noMasterKeys, .keyMalformed,
            .refusedByPolicy, .cannotSign:
            false
        }
    }

    public var description: String { message }
}

public import CASCore

/// Proves that a manifest is what a repository's owner has published.
///
/// A CernVM-FS repository is a tree of objects named by their hashes, so whoever knows the hash of its root catalog can
/// verify every byte below. What remains is to know that hash, and a server, a proxy or the wire is not to be believed.
/// The chain that leads to it has four links:
///
/// - the reader has **master keys** (`NAME.pub`), got from somewhere else than the server;
/// - a master key signs the **whitelist**, which lists the fingerprints of certificates and expires after some weeks;
/// - a certificate on the list signs the **manifest**, at every publication;
/// - the manifest names the **root catalog**.
///
/// So the master key may stay in a safe while the machine that publishes has a key that is worth little once the
/// whitelist is renewed without it.
///
/// ```swift
/// import Signing
///
/// let chain = TrustChain(masterKeys: try MasterKey.all(inPEM: keyFile))
/// let named = try Manifest(unverified: m)                     // what to fetch next: the certificate it names
/// let trusted = try chain.verify(manifest: m, whitelist: w, certificate: c, name: fqrn, at: now)
/// print(trusted.manifest.rootCatalog, trusted.whitelist?.expires ?? "pinned")
/// ```
///
/// ## What is proven, and in which order
///
/// 1. The manifest is whole: its text has the hash that stands below it, the required fields are there and make sense.
/// 2. It bears the wanted name, and is that of a root.
/// 3. It is not older than what was seen last (`lastSeen`): neither its time nor its revision goes back.
/// 4. The certificate's key has signed it.
/// 5. The reader's own `blacklist` does not refuse the certificate.
/// 6. The `policy` accepts the certificate. Under `WhitelistPolicy`: the whitelist is whole, the repository's, not
///    expired, signed by a master key, and lists the certificate.
/// 7. The blacklist does not refuse the revision.
///
/// Each way to fail has its own `SigningError.Code`. A `TrustedManifest` can be had in no other way.
///
/// ## What is not
///
/// The dates and the issuer of the certificate mean nothing, as in the reference: it is a vessel for a key. Nor is time
/// proven: a server may keep a reader at an old state by serving what was true once, but not behind what this reader
/// has seen already (keep a `Breadcrumb` where it survives a restart), and not for longer than the whitelist lives.
/// The objects that the manifest names are proven when they are fetched, by their hashes.
///
/// ## Other anchors
///
/// `TrustChain(pinning:)` accepts the one certificate whose fingerprint is given and needs neither master key nor
/// whitelist. Any other `TrustPolicy` can be used. To pin a root catalog's hash no chain is needed at all: whoever
/// names the hash has already said what is to be believed.
///
/// Nothing here reads a file, a socket or a clock: bytes go in, values come out. It does compute, for about a
/// millisecond.
///
/// Source: format 2.1 to 2.4.
public struct TrustChain: Sendable {
    /// Says which certificates may sign.
    public let policy: any TrustPolicy
    /// The reader's own list of what is refused anyhow.
    public var blacklist: Blacklist

    public init(policy: some TrustPolicy, blacklist: Blacklist = .empty) {
        self.policy = policy
        self.blacklist = blacklist
    }

    /// Trusts the certificates on a whitelist that any of these keys has signed.
    public init(masterKeys: [MasterKey], blacklist: Blacklist = .empty) {
        self.init(policy: WhitelistPolicy(masterKeys: masterKeys), blacklist: blacklist)
    }

    /// Trusts one certificate; no whitelist is needed.
    public init(pinning fingerprint: Fingerprint, blacklist: Blacklist = .empty) {
        self.init(policy: PinnedCertificatePolicy(fingerprint), blacklist: blacklist)
    }

    /// Verifies what a server sent for a repository.
    ///
    /// - Parameters:
    ///   - manifest: the file `.cvmfspublished`.
    ///   - whitelist: the file `.cvmfswhitelist`; `nil` when `policy.needsWhitelist` says that none is needed.
    ///   - certificate: the object `X` of the manifest, unpacked: PEM.
    ///   - name: the repository's name (fqrn) that is wanted.
    ///   - time: what the time is.
    ///   - lastSeen: what is remembered of the newest manifest that was accepted before, if anything.
    ///   - certificateHash: the name by which the certificate was fetched and its bytes compared, if they came as an
    ///     object; it must be the manifest's `X`. Trust does not hang on it, since the certificate has to have signed
    ///     the manifest and to be approved: it tells a mix-up from an attack.
    /// - Throws: `SigningError`, with a code for each thing that can be wrong.
    public func verify(
        manifest: [UInt8], whitelist: [UInt8]?, certificate: [UInt8], name: String, at time: UnixTime,
        lastSeen: Breadcrumb? = nil, certificateHash: ContentHash? = nil
    ) throws(SigningError) -> TrustedManifest {
        let letter = try SignedLetter(parsing: manifest, as: .manifest)
        let manifest = try Manifest(text: letter.payload)
        try Self.checkIdentity(of: manifest, name: name)
        if let lastSeen { _ = try lastSeen.admit(manifest) }
        guard let certificateName = manifest.certificate else {
            throw SigningError(
                .manifestMalformed, "the manifest of \(name) names no certificate (X), so who signed it?")
        }
        if let certificateHash, certificateHash != certificateName {
            throw SigningError(
                .certificateMismatch,
                "the manifest of \(name) names the certificate \(certificateName), not \(certificateHash)")
        }
        let certificate = try Certificate(pem: certificate)
        guard letter.isSigned(by: certificate.publicKey) else {
            throw SigningError(
                .manifestSignatureWrong,
                "the manifest of \(name) is not signed by the certificate of '\(certificate.subject)'")
        }
        guard !blacklist.refuses(certificate) else {
            throw SigningError(
                .certificateBlacklisted, "the certificate of '\(certificate.subject)' is on the blacklist")
        }
        let approval = try policy.approve(certificate, for: name, whitelist: whitelist, at: time)
        guard !blacklist.refuses(revision: manifest.revision, of: name) else {
            throw SigningError(
                .revisionBlacklisted, "revision \(manifest.revision) of \(name) is refused by the blacklist")
        }
        return TrustedManifest(
            name: name, manifest: manifest, certificate: certificate, approval: approval, verifiedAt: time)
    }

    private static func checkIdentity(of manifest: Manifest, name: String) throws(SigningError) {
        // As bytes: Swift's equality of strings takes different spellings of a letter for the same.
        guard let found = manifest.name, found.utf8.elementsEqual(name.utf8) else {
            let found = manifest.name.map { "of \(quoted($0.utf8))" } ?? "without a name"
            throw SigningError(.manifestNameMismatch, "the manifest is one \(found), not that of \(name)")
        }
        guard manifest.rootPath == RepositoryPath.root.key else {
            throw SigningError(.manifestRootPathWrong, "the manifest of \(name) is not that of the repository's root")
        }
    }
}

internal import CASCore
internal import CVMFS
internal import Glibc
public import Signing
public import SystemPackage

/// Renews what readers trust a repository by: the whitelist, and when it is wanted, the keys. Source: format 2.3.
///
/// ```swift
/// var resigning = RepositoryResigning(of: "demo.example.org", storage: "/srv/cvmfs/demo.example.org", keys: "/etc/cvmfs/keys")
/// try await resigning.run()                   // 30 days more
/// ```
public struct RepositoryResigning: Sendable {
    public let repository: String
    /// The repository's own folder, which holds `.cvmfspublished`.
    public let storage: FilePath
    public let keys: FilePath

    /// Days for which the whitelist is good.
    public var days = 30
    /// What is to be replaced.
    public var renewal = Renewal.whitelist
    /// Takes from the whitelist all certificates but the current one, and signs the manifest with that.
    public var dropsOtherCertificates = false
    /// Bits of the keys that are made.
    package var keyBits = 2048

    public enum Renewal: String, Sendable, Hashable, CaseIterable {
        /// The whitelist only.
        case whitelist
        /// A new key and certificate, with which the next revision is signed; the old one stays on the whitelist.
        case certificate
        /// A new master key is made, and not used yet: its public part is to be given to readers.
        case nextMasterKey
        /// The master key that was made before takes over: from now on readers need it.
        case masterKey
    }

    public init(of repository: String, storage: FilePath, keys: FilePath) {
        self.repository = repository
        self.storage = storage
        self.keys = keys
    }

    /// What holds now.
    public struct Report: Sendable {
        /// When the whitelist expires.
        public let expires: UnixTime
        /// The certificates that may sign.
        public let fingerprints: [Fingerprint]
        /// A file that was made and is for readers.
        public let newPublicKey: FilePath?
        /// What the user should be warned of, a line each.
        public let warnings: [String]
    }

    /// - Throws: `PublishingError`: `keys`, `locked`, `noRepository`, `storage`.
    @discardableResult
    public func run(clock: @escaping @Sendable () -> UnixTime = WallClock.now) async throws -> Report {
        try await BlockingPool.shared.run { try renew(clock) }
    }

    private func renew(_ clock: @escaping @Sendable () -> UnixTime) throws -> Report {
        try WhitelistFile.check(days: days)
        let folder = try KeyFolder(at: keys, repository: repository, storage: storage)
        // The lock is held to the end, by whichever writer: nobody may publish with keys that are being replaced.
        var writer = try RepositoryWriter.open(
            repository, storage: storage, keys: folder, verifiesTrust: false, clock: clock)
        defer { writer.close() }
        let file = WhitelistFile(repository: repository, storage: writer.storage)
        let time = clock()
        let algorithm = writer.settings.hash
        var master = try folder.privateMasterKey()
        var publicKey: FilePath?

        switch renewal {
        case .whitelist, .certificate: break
        case .nextMasterKey: publicKey = try folder.makeNextMasterKey(bits: keyBits)
        case .masterKey: master = try folder.nextMasterKey()
        }

        // Others that were listed stay, if a key of ours says so.
        var entries = [Whitelist.Entry(try folder.signer().certificate.fingerprint(algorithm))]
        for entry in try file.entries(signedBy: folder.masterKeys())
        where !entries.contains(where: { $0.fingerprint == entry.fingerprint }) {
            entries.append(entry)
        }
        if renewal == .certificate {
            let next = try folder.prepareNextCertificate(at: time, bits: keyBits)
            entries.insert(Whitelist.Entry(next.certificate.fingerprint(algorithm)), at: 0)
            // Listed before anything is signed by it.
            try file.write(entries, algorithm: algorithm, signedBy: master, at: time, days: days)
            try folder.installNextCertificate()
        }
        if dropsOtherCertificates {
            writer.close()
            writer = try RepositoryWriter.open(
                repository, storage: storage, keys: folder, verifiesTrust: false, clock: clock)
            let current = Whitelist.Entry(try folder.signer().certificate.fingerprint(algorithm))
            if !entries.contains(current) { entries.insert(current, at: 0) }
            try file.write(entries, algorithm: algorithm, signedBy: master, at: time, days: days)
            _ = try writer.commit(writer.base, tags: nil, catalogs: [])
            entries = [current]
        }
        try file.write(entries, algorithm: algorithm, signedBy: master, at: time, days: days)
        if renewal == .masterKey { try folder.installNextMasterKey() }
        guard let whitelist = try file.read() else {
            throw PublishingError(.storage, "the whitelist of \(repository) has vanished")
        }
        return Report(
            expires: whitelist.expires, fingerprints: whitelist.fingerprints, newPublicKey: publicKey,
            warnings: folder.warnings())
    }
}

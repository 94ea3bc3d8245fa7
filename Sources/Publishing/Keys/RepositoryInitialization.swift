public import CASCore
internal import CVMFS
internal import Catalog
internal import Glibc
public import Signing
public import SystemPackage

/// Makes a repository without content.
///
/// ```swift
/// var new = RepositoryInitialization(of: "demo.example.org", storage: "/srv/cvmfs/demo.example.org", keys: "/etc/cvmfs/keys")
/// new.deflater = .libdeflate
/// try await new.run()
/// ```
///
/// Source: format 2, 7.1.
public struct RepositoryInitialization: Sendable {
    public let repository: String
    /// The repository's own folder, which web servers serve as `/cvmfs/NAME`.
    public let storage: FilePath
    /// Where the keys are, or will be; not in `storage`.
    public let keys: FilePath

    /// Names the repository's objects, for ever.
    public var hash: HashAlgorithm = .sha1
    /// Whether new objects are the reference's, byte for byte, or made faster.
    public var deflater: DeflaterKind = .zlib
    /// How many seconds readers need not look for a newer revision.
    public var ttl: UInt32 = Manifest.defaultTTL
    /// Whether a collection may delete what no revision needs any more.
    public var isGarbageCollectable = false
    /// Whether replicas may be made of it.
    public var isReplicable = true
    /// Whether the repository's files should be the first to leave a cache.
    public var isVolatile = false
    /// Owner of the root directory.
    public var uid: UInt32 = UInt32(getuid())
    public var gid: UInt32 = UInt32(getgid())
    /// A JSON object that says who runs it. Source: format 2.5.
    public var metainfo: String = "{}"
    /// Days for which the whitelist is good.
    public var whitelistDays = 30
    /// Bits of the keys that are made.
    package var keyBits = 2048
    package var reached: @Sendable (CommitStage) -> Void = { _ in }

    public init(of repository: String, storage: FilePath, keys: FilePath) {
        self.repository = repository
        self.storage = storage
        self.keys = keys
    }

    /// Makes it.
    ///
    /// - Parameter clock: what the time is.
    /// - Returns: what the user should be warned of, a line each.
    /// - Throws: `PublishingError`: `exists` when the storage holds a repository already, `keys`, `storage`.
    @discardableResult
    public func run(clock: @escaping @Sendable () -> UnixTime = WallClock.now) async throws -> [String] {
        try await BlockingPool.shared.run { try self.make(clock) }
    }

    private func make(_ clock: @Sendable () -> UnixTime) throws -> [String] {
        let folder = try KeyFolder(at: keys, repository: repository, storage: storage)
        try WhitelistFile.check(days: whitelistDays)
        guard deflater.isAvailable else {
            throw PublishingError(.unsupported, "this program was built without \(deflater.rawValue)")
        }
        let files = try LocalStorage(at: storage.string, creates: true)
        let state = StateFolder(storage: storage)
        try state.make()
        let lock = try WriterLock(state, at: clock())
        defer { lock.close() }
        guard try files.read(RootFile.manifest, limit: TrustLimits.manifestBytes) == nil else {
            throw PublishingError(.exists, "\(storage) holds a repository already; nothing was changed")
        }
        let time = clock()
        try folder.complete(at: time, bits: keyBits)
        let signer = try folder.signer()
        try RepositorySettings(hash: hash, deflater: deflater).write(to: state)
        try WhitelistFile(repository: repository, storage: files).write(
            [Whitelist.Entry(signer.certificate.fingerprint(hash))], algorithm: hash,
            signedBy: folder.privateMasterKey(), at: time, days: whitelistDays)

        let properties = EmptyRootCatalog.Properties(
            time: time, ttl: ttl, uid: uid, gid: gid, isVolatile: isVolatile)
        let (catalog, size) = try EmptyRootCatalog.pack(properties, algorithm: hash, state)
        let root = TaggedRoot(hash: try catalog.store(in: files), size: size, revision: 0, timestamp: time.seconds)
        var tags = TagList()
        tags.moveTrunk(to: root, description: "empty repository")
        let manifest = Manifest(
            rootCatalog: root.hash, rootCatalogSize: size, revision: 0, name: repository, ttl: ttl,
            isGarbageCollectable: isGarbageCollectable)
        if isReplicable { try files.replace(RootFile.masterReplica, with: []) }
        let commit = RevisionCommit(
            repository: repository, storage: files, state: state, signer: signer, reached: reached)
        _ = try commit.run(
            RevisionCommit.Change(
                manifest: manifest, tags: tags, metainfo: Array(metainfo.utf8), catalogs: [root.hash]),
            base: nil, at: time)
        return folder.warnings()
    }
}

internal import CASCore
internal import CVMFS
internal import Glibc
package import Signing
internal import Synchronization
package import SystemPackage

/// The right to change a repository: its lock is held, its manifest is verified, and what a crash has left is repaired.
///
/// Its calls block for the disk. One that goes on storing after a commit says so by `storage.beginWritingHere()`.
/// Source: format 7.1.
package final class RepositoryWriter: Sendable {
    package let name: String
    package let storage: LocalStorage
    package let state: StateFolder
    package let settings: RepositorySettings
    /// What the writer before has left undone, if it died; for a message.
    package let deadOwner: LockOwner?

    let keys: KeyFolder
    let clock: @Sendable () -> UnixTime
    private let lock: WriterLock
    private let signer: ManifestSigner
    private let reached: @Sendable (CommitStage) -> Void
    private let current: Mutex<SignedManifest>

    /// Opens a repository for writing.
    ///
    /// - Parameters:
    ///   - storage: the repository's own folder, which holds `.cvmfspublished`.
    ///   - verifiesTrust: whether the whitelist must be valid and list the certificate, so that readers believe what
    ///     is published; only who is going to renew it leaves that out.
    /// - Throws: `locked` and by whom; `noRepository`; `keys` when readers would not believe what these keys sign.
    package static func open(
        _ name: String, storage: FilePath, keys: KeyFolder, verifiesTrust: Bool = true,
        reached: @escaping @Sendable (CommitStage) -> Void = { _ in },
        clock: @escaping @Sendable () -> UnixTime = WallClock.now
    ) throws -> RepositoryWriter {
        try RepositoryWriter(
            name, storage: storage, keys: keys, verifiesTrust: verifiesTrust, reached: reached, clock: clock)
    }

    private init(
        _ name: String, storage path: FilePath, keys: KeyFolder, verifiesTrust: Bool,
        reached: @escaping @Sendable (CommitStage) -> Void, clock: @escaping @Sendable () -> UnixTime
    ) throws {
        self.name = name
        self.keys = keys
        self.clock = clock
        self.reached = reached
        storage = try LocalStorage(at: path.string)
        state = StateFolder(storage: path)
        signer = try keys.signer()
        guard try storage.read(RootFile.manifest, limit: TrustLimits.manifestBytes) != nil else {
            throw PublishingError(
                .noRepository, "\(path) holds no repository: there is no \(RootFile.manifest) (cvmfs init makes one)")
        }
        try state.make()
        lock = try WriterLock(state, at: clock())
        deadOwner = lock.deadOwner
        do {
            // Only now nobody else replaces it.
            guard let file = try storage.read(RootFile.manifest, limit: TrustLimits.manifestBytes) else {
                throw PublishingError(.noRepository, "\(path)/\(RootFile.manifest) has vanished")
            }
            let signed = try SignedManifest(file: file)
            let found = try RepositorySettings(in: state)
            settings = found ?? RepositorySettings(hash: signed.manifest.hashAlgorithm, deflater: .zlib)
            current = Mutex(signed)
            try StoredTrust(name: name, storage: storage).verify(
                signed, keys: keys, certificate: signer.certificate, whole: verifiesTrust, at: clock())
            guard settings.hash == signed.manifest.hashAlgorithm else {
                throw PublishingError(
                    .corrupt,
                    "\(state.settings) says \(settings.hash.name), but the repository's objects have \(signed.manifest.hashAlgorithm.name)"
                )
            }
            guard settings.deflater.isAvailable else {
                throw PublishingError(
                    .unsupported,
                    "\(name) is packed by \(settings.deflater.rawValue), which this program was built without")
            }
            if found == nil { try settings.write(to: state) }
            try removeLeftovers()
        } catch {
            lock.close()
            throw error
        }
    }

    deinit { lock.close() }

    /// Lets others write. Nothing may be called afterwards.
    package func close() { lock.close() }

    /// The newest revision.
    package var base: Manifest { current.withLock { $0.manifest } }

    /// The tags of the newest revision.
    package func tags() throws -> TagList {
        guard let hash = base.history else { return TagList() }
        return try HistoryObject(hash, of: name, in: storage, state).list
    }

    // MARK: Changing

    /// Publishes a revision whose objects and catalogs are stored.
    ///
    /// - Returns: the manifest that is now the repository's.
    @discardableResult
    package func commit(_ revision: NewRevision) throws -> Manifest {
        let base = base
        guard revision.revision > base.revision else {
            throw PublishingError(
                .invalidArgument, "revision \(revision.revision) cannot follow revision \(base.revision)")
        }
        guard revision.rootCatalog.algorithm == settings.hash else {
            throw PublishingError(.invalidArgument, "the root catalog's hash is no \(settings.hash.name)")
        }
        var tags = try tags()
        for tag in revision.tags { try tags.checkNew(tag.name) }
        tags.moveTrunk(to: revision.root)
        for tag in revision.tags { try tags.add(tag.name, description: tag.description, root: revision.root) }
        var manifest = base
        manifest.rootCatalog = revision.rootCatalog
        manifest.rootCatalogSize = revision.rootCatalogSize
        manifest.revision = revision.revision
        if let ttl = revision.ttl { manifest.ttl = ttl }
        if let isCollectable = revision.isGarbageCollectable { manifest.isGarbageCollectable = isCollectable }
        return try run(
            RevisionCommit.Change(
                manifest: manifest, tags: tags, metainfo: revision.metainfo,
                catalogs: revision.intermediateCatalogs + [revision.rootCatalog]))
    }

    /// Changes the tags of the newest revision, or publishes a root with tags of one's own making.
    func commit(_ manifest: Manifest, tags: TagList?, catalogs: [ContentHash]) throws -> Manifest {
        try run(RevisionCommit.Change(manifest: manifest, tags: tags, catalogs: catalogs))
    }

    private func run(_ change: RevisionCommit.Change) throws -> Manifest {
        let base = current.withLock { $0 }
        let commit = RevisionCommit(
            repository: name, storage: storage, state: state, signer: signer, reached: reached)
        let signed = try commit.run(change, base: base, at: clock())
        current.withLock { $0 = signed }
        return signed.manifest
    }

    /// What a killed writer leaves: files on their way, and after a crash of the machine torn objects.
    private func removeLeftovers() throws {
        try storage.beginWritingHere()
        // Under it a collection, too, has files on their way.
        let commit = try LockFile(state.commitLock, .exclusive)
        defer { commit.unlock() }
        try storage.removeAbandoned()
        for file in try LocalFile.names(in: state.scratch) ?? [] {
            _ = state.scratch.appending(file).withPlatformString { unlink($0) }
        }
    }
}

internal import CASCore
internal import Catalog
internal import Glibc
internal import Signing
internal import SystemPackage

/// How far a commit has come; tests kill the process at each.
package enum CommitStage: String, Sendable, CaseIterable {
    case begun, objectsStored, synchronized, reflogAnnounced, reflogReplaced, manifestReplaced, settled
}

/// Publishes a root of a repository: everything that the manifest names is stored and durable, then one atomic
/// replacement makes it true. Source: format 7.1.
///
/// Until the manifest is replaced nothing of it is visible, and what is left behind by a crash is found by the next
/// commit, which repeats all of it, or by a collection.
struct RevisionCommit {
    let repository: String
    let storage: LocalStorage
    let state: StateFolder
    let signer: ManifestSigner
    let reached: @Sendable (CommitStage) -> Void

    /// What is to be true afterwards.
    struct Change {
        /// What the manifest shall say; certificate, history, meta-information, reflog and time are set here.
        var manifest: Manifest
        /// The tags; as before when left out.
        var tags: TagList?
        /// Meta-information; as before when left out.
        var metainfo: [UInt8]?
        /// Root catalogs to be entered into the reflog, the manifest's included.
        var catalogs: [ContentHash] = []
    }

    /// - Parameter base: the manifest's file as it was when the change was thought out; `nil` when there is none yet.
    /// - Returns: the manifest, and its file.
    func run(_ change: Change, base: SignedManifest?, at time: UnixTime) throws -> SignedManifest {
        var manifest = change.manifest
        let algorithm = manifest.hashAlgorithm
        reached(.begun)
        try storage.beginWritingHere()

        // Everything the manifest will name.
        var references = change.catalogs.map { ObjectID($0, kind: .catalog) }
        if let tags = change.tags {
            let history = try HistoryObject.pack(
                tags, of: repository, previous: base?.manifest.history, algorithm: algorithm, state)
            manifest.history = try history.store(in: storage)
        }
        if let metainfo = change.metainfo {
            guard metainfo.count <= PublishingLimits.metainfoBytes else {
                throw PublishingError(
                    .invalidArgument,
                    "meta-information of \(metainfo.count) bytes; readers take \(PublishingLimits.metainfoBytes)")
            }
            let object = try RootObject(metainfo, kind: .metainfo, algorithm: algorithm)
            manifest.metainfo = try object.store(in: storage)
        }
        let certificate = try RootObject(signer.certificate.pem, kind: .certificate, algorithm: algorithm)
        manifest.certificate = try certificate.store(in: storage)
        // Clients refuse a manifest that is older than one they have seen, and a clock may have been set back.
        manifest.published = max(time, base?.manifest.published ?? time)
        manifest.name = repository
        references.append(certificate.object)
        if let history = manifest.history { references.append(ObjectID(history, kind: .history)) }
        if let metainfo = manifest.metainfo { references.append(ObjectID(metainfo, kind: .metainfo)) }
        reached(.objectsStored)

        // A collection replaces the reflog too.
        let lock = try LockFile(state.commitLock, .exclusive)
        defer { lock.unlock() }
        try checkBase(base)
        let reflog = Reflog(repository: repository, storage: storage, state: state, scratch: state.scratch)
        var content = try base.map { try reflog.read($0.manifest) } ?? Reflog.Content(references: [:], isSound: true)
        for object in references { content.add(object, at: time) }
        let next = try reflog.prepare(content, algorithm: algorithm)
        manifest.reflog = next.hash
        let signed = try SignedManifest(manifest, signedBy: signer)
        if manifest.hasAlternativePaths { try makeAlternativePaths(manifest) }
        try storage.endWriting()
        reached(.synchronized)

        try reflog.announce(next)
        reached(.reflogAnnounced)
        try reflog.replace(with: next)
        reached(.reflogReplaced)
        try storage.replace(RootFile.manifest, with: signed.file)
        reached(.manifestReplaced)
        try reflog.settle(next.hash)
        reached(.settled)
        return signed
    }

    /// Nobody else may have published meanwhile: the lock keeps our own programs apart, not others.
    private func checkBase(_ base: SignedManifest?) throws {
        let found = try storage.read(RootFile.manifest, limit: TrustLimits.manifestBytes)
        guard found == base?.file else {
            throw PublishingError(
                .changed,
                "\(storage.path)/\(RootFile.manifest) was replaced by another program meanwhile; nothing was published: do it again"
            )
        }
    }

    /// Source: format 2.2, alternative paths.
    private func makeAlternativePaths(_ manifest: Manifest) throws {
        let objects = [
            ObjectID(manifest.rootCatalog, kind: .catalog), manifest.certificateObject,
            manifest.history.map { ObjectID($0, kind: .history) },
            manifest.metainfo.map { ObjectID($0, kind: .metainfo) },
        ]
        for object in objects.compactMap(\.self) {
            let path = "\(storage.path)/\(RootFile.alternativePrefix)\(object)"
            guard symlink(object.serverPath, path) == 0 || errno == EEXIST else {
                throw PublishingError(.storage, "\(path) cannot be made", cause: Errno(rawValue: errno))
            }
        }
    }
}

/// A manifest and the file that it is.
struct SignedManifest: Sendable {
    let manifest: Manifest
    let file: [UInt8]

    init(_ manifest: Manifest, signedBy signer: ManifestSigner) throws {
        self.manifest = manifest
        file = try SignedLetter(
            signing: manifest.serialized(), as: .manifest, algorithm: manifest.hashAlgorithm, with: signer.key
        ).serialized
    }

    /// One that is there already.
    init(file: [UInt8]) throws {
        manifest = try Manifest(unverified: file)
        self.file = file
    }
}

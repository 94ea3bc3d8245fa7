public import CASCore
public import CVMFS
internal import Catalog
public import SystemPackage

/// What a check of a published image has found.
public struct ImageVerificationReport: Sendable {
    /// What the image is by its record.
    public let record: ImageRecord
    /// Entries of the tree that were looked at.
    public internal(set) var entries = 0
    /// Bytes of content that were compared with the image itself; 0 when it was not given.
    public internal(set) var bytes: Int64 = 0
    /// Whether the image itself was compared, and not only the record.
    public internal(set) var isCompared = false
    /// What does not agree, in words; at most `ImageLimits.differences` of them.
    public internal(set) var differences: [String] = []
    /// How many there are.
    public internal(set) var differenceCount = 0

    public var isGenuine: Bool { differenceCount == 0 }

    mutating func add(_ difference: String) {
        differenceCount += 1
        if differences.count < ImageLimits.differences { differences.append(difference) }
    }
}

extension Snapshot {
    /// Checks that the tree at a path is that of the container image that was published there.
    ///
    /// With the record alone it proves that manifest and configuration are those that the digests name, that they and
    /// the record agree, and that every entry and every content is what it was when the image was published. That this
    /// was the image's tree is then the publisher's word. With the image itself that is proved, too: its layers are
    /// laid over each other again, in a scratch file, and everything is compared, every byte of content included.
    ///
    /// - Parameters:
    ///   - path: of the image in the repository.
    ///   - image: an OCI image layout, docker save's archive or an AppC image to compare with.
    ///   - selection: which of several images in it.
    ///   - scratchFolder: for the scratch file.
    /// - Throws: `PublishingError` with `noSuchEntry` when no image was published there, `source` when the image given
    ///   is damaged; `CVMFSError` when the repository cannot be read. What does not agree is in the report.
    public func verifyImage(
        at path: RepositoryPath, against image: FilePath? = nil, reference: String? = nil, platform: String? = nil,
        scratchFolder: FilePath
    ) async throws -> ImageVerificationReport {
        guard let record = try await imageRecord(at: path) else {
            throw PublishingError(.noSuchEntry, "\(path) has no record of an image (\(ImageRecord.folder(of: path)))")
        }
        var verification = ImageVerification(snapshot: self, path: path, record: record)
        try await verification.checkRecord()
        guard let image else {
            try await verification.checkTree()
            return verification.report
        }
        var selection = ImageSelection(reference: reference)
        if let text = platform ?? record.platform { selection.platform = ImagePlatform(text) }
        let (identity, tree) = try await withTaskExecutorPreference(BlockingPool.shared) {
            try await ImageVerification.stage(image, selection, scratchFolder: scratchFolder.string)
        }
        verification.compare(identity)
        try await verification.compare(tree)
        return verification.report
    }
}

/// One check of an image.
private struct ImageVerification {
    private let snapshot: Snapshot
    private let path: RepositoryPath
    private(set) var report: ImageVerificationReport
    private var record: ImageRecord { report.record }
    /// Digests of the contents of objects that were read already.
    private var known: [[ObjectID]: StrongDigest] = [:]

    init(snapshot: Snapshot, path: RepositoryPath, record: ImageRecord) {
        self.snapshot = snapshot
        self.path = path
        report = ImageVerificationReport(record: record)
    }

    // MARK: The record

    mutating func checkRecord() async throws {
        if record.path != path.description { report.add("the record is that of \(record.path)") }
        let configuration = try await snapshot.imageDocument(ImageRecord.configurationName, at: path)
        guard let configuration, SHA256Digest.of(configuration).description == record.configuration else {
            return report.add("the configuration is not what its digest \(record.configuration) names")
        }
        if record.format != .appc {
            let parsed = try? ImageDocuments.decode(
                ImageDocuments.Configuration.self, from: configuration, what: "the configuration")
            if parsed?.rootfs.diffIDs != record.layers.map(\.diffID) {
                report.add("the configuration has other layers than the record")
            }
        }
        guard let digest = record.manifest else {
            if record.format == .oci { report.add("the record has no digest of the manifest") }
            return
        }
        let manifest = try await snapshot.imageDocument(ImageRecord.manifestName, at: path)
        guard let manifest, SHA256Digest.of(manifest).description == digest else {
            return report.add("the manifest is not what its digest \(digest) names")
        }
        let parsed = try? ImageDocuments.decode(ImageDocuments.Manifest.self, from: manifest, what: "the manifest")
        if parsed?.config.digest != record.configuration {
            report.add("the manifest has another configuration than the record")
        }
        if parsed?.layers.map(\.digest) != record.layers.map({ $0.digest ?? "" }) {
            report.add("the manifest has other layers than the record")
        }
    }

    /// Computes the tree's digest anew.
    mutating func checkTree() async throws {
        var digest = TreeDigest()
        var canonical = CanonicalEntries()
        var walk = ImageWalk(snapshot, path)
        while let (entry, place) = try await walk.next() {
            digest.add(
                canonical.entry(entry, at: place, xattrs: try await snapshot.xattrs(of: entry)),
                objects: try await TreeDigest.objects(of: entry, in: snapshot))
        }
        report.entries = digest.entries
        if digest.entries != record.entries {
            report.add("the tree has \(digest.entries) entries, and had \(record.entries) when it was published")
        }
        let found = digest.finalize().description
        if found != record.tree {
            report.add("the tree is not what was published: its digest is \(found), and was \(record.tree)")
        }
    }

    // MARK: The image

    static func stage(
        _ path: FilePath, _ selection: ImageSelection, scratchFolder: String
    ) async throws -> (ImageIdentity, StagedTree) {
        switch try SourceDetection.detect(at: path) {
        case .image(let files):
            let image = try ImageLayout(files: files).image(selection)
            let tree = try await image.stage(
                contents: .digests, scratchFolder: scratchFolder, bounds: ArchiveBounds())
            return (image.identity, tree)
        case .appc:
            let reader = try TarReader(try FileStream(at: path))
            let (tree, manifest) = try await AppCImage.stage(reader, contents: .digests, scratchFolder: scratchFolder)
            return (ImageIdentity(appc: manifest), tree)
        case .directory, .tar:
            throw PublishingError(.invalidArgument, "\(path) is no image to compare with")
        }
    }

    mutating func compare(_ identity: ImageIdentity) {
        // Whoever copies an image from one registry to another may pack its layers anew: the configuration stays.
        if identity.configuration.description != record.configuration {
            report.add("the image given is \(identity.configuration), and the one published is \(record.configuration)")
        }
    }

    /// Walks through both trees at once.
    mutating func compare(_ tree: StagedTree) async throws {
        report.isCompared = true
        var staged = StagedTreeSource(tree)
        var (ours, theirs) = (CanonicalEntries(), CanonicalEntries())
        var walk = ImageWalk(snapshot, path)
        var found = try await walk.next()
        var wanted = try staged.nextWithDigest()
        while found != nil || wanted != nil {
            try Task.checkCancellation()
            let order = Self.order(found?.place, wanted?.entry.path)
            if order == .same, let (entry, place) = found, let (expected, size, digest) = wanted {
                report.entries += 1
                let mine = ours.entry(entry, at: place, xattrs: try await snapshot.xattrs(of: entry))
                if let difference = mine.difference(from: theirs.entry(expected, size: size)) {
                    report.add("\(place): \(difference)")
                } else if entry.kind == .file, try await content(of: entry).bytes != digest {
                    report.add("\(place): another content")
                }
            } else if order == .first, let found {
                report.entries += 1
                report.add("\(found.place) is not in the image")
            } else if let wanted {
                report.add("\(wanted.entry.path) is missing")
            }
            if order != .second { found = try await walk.next() }
            if order != .first { wanted = try staged.nextWithDigest() }
        }
    }

    private enum Order { case first, same, second }

    /// Which of two paths comes first in a walk.
    private static func order(_ left: RepositoryPath?, _ right: RepositoryPath?) -> Order {
        guard let left else { return .second }
        guard let right else { return .first }
        if left == right { return .same }
        return left.components.lexicographicallyPrecedes(right.components) ? .first : .second
    }

    private mutating func content(of entry: Entry) async throws -> StrongDigest {
        let objects = try await TreeDigest.objects(of: entry, in: snapshot).map(\.id)
        if let digest = known[objects] { return digest }
        var hasher = StrongHasher()
        for try await piece in try await snapshot.file(entry).contents() {
            piece.withUnsafeBytes { hasher.update($0) }
            report.bytes += Int64(piece.count)
        }
        let digest = hasher.finalize()
        known[objects] = digest
        return digest
    }
}

/// Walks through an image, its record left out.
private struct ImageWalk {
    private let top: RepositoryPath
    private var walk: Walk.Iterator

    init(_ snapshot: Snapshot, _ top: RepositoryPath) {
        self.top = top
        walk = snapshot.walk(top).makeAsyncIterator()
    }

    mutating func next() async throws -> (entry: Entry, place: RepositoryPath)? {
        while let entry = try await walk.next() {
            if top.isRoot, entry.path == RepositoryPath.root.appending(ImageRecord.folderName) {
                walk.skipDescendants()
                continue
            }
            return (entry, entry.path.relative(to: top) ?? .root)
        }
        return nil
    }
}

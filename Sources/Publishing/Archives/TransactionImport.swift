public import CASCore
internal import Catalog
public import SystemPackage

/// What was published of a directory, an archive or an image.
public struct ImportReport: Sendable {
    /// What has changed, and what the format cannot hold.
    public let report: PublishingReport
    /// What it was, in words: "directory", "tar archive", "container image", "AppC image".
    public let kind: String
    /// Of an image: which it was. It is kept in the repository, too.
    public let image: ImageRecord?
}

extension Transaction {
    /// Makes a part of the repository what is at a path of this machine, whatever it is.
    ///
    /// A directory is published as it is. An archive is the tree that unpacking it would make: a tar archive (also
    /// packed by gzip, bzip2, xz or zstd), an OCI image layout or what docker save writes (as a folder or an archive),
    /// or an AppC image. Nothing is unpacked to a disk. Of an image manifest, configuration and digests are kept in
    /// `/.metadata/PATH` (`Snapshot.verifyImage`); what is not an image takes such a record away.
    ///
    /// - Parameters:
    ///   - source: a directory, an archive or an image. What it is is told by what is in it.
    ///   - path: what becomes the source; made when it is absent, with what is missing above it.
    ///   - image: which of several images in a layout or archive, by name.
    ///   - platform: which of several platforms, as `linux/arm64`; `nil` for this machine's, or the only one.
    /// - Throws: `PublishingError`: `source` for what cannot be read, is damaged, malformed or hostile; `noSuchEntry`
    ///   when there is no such image, `invalidArgument` when there are several. The transaction can only be aborted then.
    @discardableResult
    public nonisolated func sync(
        fromAny source: FilePath, at path: RepositoryPath = .root, image: String? = nil, platform: String? = nil
    ) async throws -> ImportReport {
        var selection = ImageSelection(reference: image)
        if let platform {
            guard let parsed = ImagePlatform(platform) else {
                throw PublishingError(
                    .invalidArgument, "\"\(platform)\" is no platform: write it as linux/arm64 or linux/arm/v7")
            }
            selection.platform = parsed
        }
        let chosen = selection
        return try await change { transaction, tree in
            let detected = try SourceDetection.detect(at: source)
            guard chosen == ImageSelection() || detected.hasChoice else {
                throw PublishingError(
                    .invalidArgument, "\(source) is a \(detected.name): there is no image or platform to choose")
            }
            switch detected {
            case .directory:
                return try await transaction.sync(
                    tree, at: path, from: try DirectorySource(at: source.string), record: nil, nil, detected.name)
            case .tar, .image, .appc:
                let outcome = try await transaction.archives.stage(source, detected, chosen, at: path)
                return try await transaction.sync(tree, at: path, outcome, detected.name)
            }
        }
    }

    /// Makes a part of the repository what a tar archive holds that is read from a descriptor, such as a pipe.
    ///
    /// - Parameters:
    ///   - descriptor: where it is read from up to its end; it stays open.
    ///   - label: what messages call it.
    ///   - path: the part of the repository.
    @discardableResult
    public nonisolated func sync(
        fromTar descriptor: FileDescriptor, label: String, at path: RepositoryPath = .root
    ) async throws -> ImportReport {
        try await change { transaction, tree in
            let outcome = try await transaction.archives.stage(FileStream(descriptor, label: label))
            return try await transaction.sync(tree, at: path, outcome, DetectedSource.tar.name)
        }
    }

    private var archives: ArchiveImport {
        ArchiveImport(pipeline: pipeline, scratchFolder: pipeline.scratchFolder)
    }

    private func sync(
        _ tree: WritableTree, at path: RepositoryPath, _ outcome: ArchiveImport.Outcome, _ kind: String
    ) async throws -> ImportReport {
        try await sync(
            tree, at: path, from: try outcome.source(at: path), record: try outcome.recordSource(), outcome.record, kind
        )
    }

    private func sync(
        _ tree: WritableTree, at path: RepositoryPath, from source: any TreeSource, record: (any TreeSource)?,
        _ image: ImageRecord?, _ kind: String
    ) async throws -> ImportReport {
        let report = try await sync(at: path, from: source, tree, nests: options.nestsSources)
        // The record of an image that is everything has come with it.
        guard !path.isRoot else { return ImportReport(report: report, kind: kind, image: image) }
        let folder = ImageRecord.folder(of: path)
        if let record {
            _ = try await sync(at: folder, from: record, tree, nests: false)
        } else if let old = try tree.record(at: folder) {
            self.report.removed += try tree.remove(old, at: folder)
        }
        return ImportReport(report: report, kind: kind, image: image)
    }
}

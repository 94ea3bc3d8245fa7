package import CASCore
internal import CVMFS
package import SystemPackage

/// Stages whatever is at a path but a directory, and says of images what is to be recorded.
package struct ArchiveImport {
    /// A staged tree, ready to be published.
    package struct Outcome {
        package let tree: StagedTree
        /// Of images: the record, and the files to be kept with it.
        let recorded: (record: ImageRecord, files: [(name: FileName, content: StoredContent)])?

        package var record: ImageRecord? { recorded?.record }

        /// The tree to be published at the place.
        package func source(at path: RepositoryPath) throws(PublishingError) -> any TreeSource {
            let source = StagedTreeSource(tree)
            guard path.isRoot, let recordSource = try recordFiles() else { return source }
            return RecordedRootSource(source, record: recordSource)
        }

        /// What is to be published at `ImageRecord.folder(of:)`; `nil` when it is no image.
        package func recordSource() throws(PublishingError) -> (any TreeSource)? {
            try recordFiles()
        }

        private func recordFiles() throws(PublishingError) -> ImageRecordSource? {
            guard let recorded else { return nil }
            var source = StagedTreeSource(tree)
            let root = try source.next()
            return ImageRecordSource(
                recorded.files, label: "the record of \(tree.label)",
                time: (root?.mtime ?? 0, root?.mtimeNanoseconds ?? 0))
        }
    }

    private let pipeline: ContentPipeline
    private let scratchFolder: String
    private let bounds: ArchiveBounds

    /// - Parameters:
    ///   - pipeline: where contents go.
    ///   - scratchFolder: for the staged tree, one SQLite file of some 300 bytes an entry.
    package init(pipeline: ContentPipeline, scratchFolder: String, bounds: ArchiveBounds = ArchiveBounds()) {
        self.pipeline = pipeline
        self.scratchFolder = scratchFolder
        self.bounds = bounds
    }

    /// Reads an archive or image, and stores its contents. Blocks: run it on a task that prefers `BlockingPool`.
    ///
    /// - Parameters:
    ///   - path: of the archive or the image.
    ///   - detected: what it is.
    ///   - place: where in the repository it goes, for the record.
    package func stage(
        _ path: FilePath, _ detected: DetectedSource, _ selection: ImageSelection, at place: RepositoryPath
    ) async throws -> Outcome {
        switch detected {
        case .directory:
            throw PublishingError(.invalidArgument, "\(path) is a directory, not an archive")
        case .tar: return try await stage(try FileStream(at: path))
        case .image(let files):
            let image = try ImageLayout(files: files).image(selection)
            let tree = try await image.stage(
                contents: .stored(pipeline), scratchFolder: scratchFolder, bounds: bounds)
            return try await outcome(
                tree, image.identity, at: place, manifest: image.manifest?.bytes,
                configuration: image.configuration.bytes)
        case .appc:
            let reader = try TarReader(try FileStream(at: path), bounds: bounds)
            let (tree, manifest) = try await AppCImage.stage(
                reader, contents: .stored(pipeline), scratchFolder: scratchFolder)
            return try await outcome(
                tree, ImageIdentity(appc: manifest), at: place, manifest: nil, configuration: manifest)
        }
    }

    /// Reads a tar archive from a stream, such as standard input.
    package func stage(_ stream: any ByteStream) async throws -> Outcome {
        let tree = try StagedTree(scratchFolder: scratchFolder, label: stream.label)
        var ingest = ArchiveIngest(into: tree, contents: .stored(pipeline), isLayer: false)
        try await ingest.add(try TarReader(stream, bounds: bounds))
        return Outcome(tree: tree, recorded: nil)
    }

    private func outcome(
        _ tree: StagedTree, _ identity: ImageIdentity, at place: RepositoryPath, manifest: [UInt8]?,
        configuration: [UInt8]
    ) async throws -> Outcome {
        let (digest, entries) = try TreeDigest.of(tree)
        let record = identity.record(at: place, tree: digest, entries: entries)
        var files: [(name: FileName, content: StoredContent)] = []
        func add(_ name: FileName, _ bytes: [UInt8]) async throws {
            files.append((name, try await pipeline.store(BytesSource(bytes, label: "\(name)"))))
        }
        try await add(ImageRecord.configurationName, configuration)
        try await add(ImageRecord.fileName, try record.encoded())
        if let manifest { try await add(ImageRecord.manifestName, manifest) }
        return Outcome(tree: tree, recorded: (record, files))
    }
}

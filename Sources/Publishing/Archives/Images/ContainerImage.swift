internal import CASCore
internal import SystemPackage

/// One image of a layout or archive, found and ready to be read.
package struct ContainerImage {
    struct Layer {
        /// Its file.
        let name: String
        /// Of its bytes as they are; `nil` in an archive of docker save.
        let digest: SHA256Digest?
        let size: Int64?
        /// Of the plain tar archive in it.
        let diffID: SHA256Digest
        let mediaType: String
    }

    struct Document {
        let digest: SHA256Digest
        let bytes: [UInt8]
    }

    let files: ImageFiles
    let format: ImageRecord.Format
    package let reference: String?
    package let platform: ImagePlatform?
    /// `nil` in an archive of docker save.
    let manifest: Document?
    let configuration: Document
    /// The lowest first.
    let layers: [Layer]

    /// Lays the layers over each other in a staged tree.
    func stage(
        contents: ArchiveIngest.Contents, scratchFolder: String, bounds: ArchiveBounds
    ) async throws -> StagedTree {
        let tree = try StagedTree(scratchFolder: scratchFolder, label: files.path.string)
        var ingest = ArchiveIngest(into: tree, contents: contents, isLayer: true)
        var left = bounds
        for (index, layer) in layers.enumerated() {
            let what = "layer \(index + 1) of \(layers.count)"
            guard var stream = try files.open(layer.name) else { throw files.missing(layer.name, what) }
            if let digest = layer.digest {
                stream = VerifiedStream(stream, digest: digest, size: layer.size, what: what)
            }
            let plain = try DecompressedStream(stream, bounds: left, plainDigest: layer.diffID)
            // The digest says that it is whole.
            let reader = TarReader(plain, bounds: left, requiresEndMarker: false)
            try await ingest.add(reader)
            // All layers share the bounds of one archive.
            left.entries -= reader.entries
            left.contentBytes -= plain.plainBytes
        }
        return tree
    }
}

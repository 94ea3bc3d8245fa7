internal import CASCore

/// By what an image is recognised, whatever tree it becomes.
struct ImageIdentity: Hashable {
    let format: ImageRecord.Format
    let reference: String?
    let platform: String?
    let manifest: SHA256Digest?
    let configuration: SHA256Digest
    let layers: [ImageRecord.Layer]

    /// Of an AppC image, which its manifest names.
    init(appc manifest: [UInt8]) {
        format = .appc
        reference = nil
        platform = nil
        self.manifest = nil
        configuration = .of(manifest)
        layers = []
    }

    init(_ image: ContainerImage) {
        format = image.format
        reference = image.reference
        platform = image.platform?.description
        manifest = image.manifest?.digest
        configuration = image.configuration.digest
        layers = image.layers.map {
            ImageRecord.Layer(
                digest: $0.digest?.description, diffID: $0.diffID.description, mediaType: $0.mediaType, size: $0.size)
        }
    }

    func record(at place: RepositoryPath, tree: SHA256Digest, entries: Int) -> ImageRecord {
        ImageRecord(
            version: ImageRecord.version, path: place.description, format: format, reference: reference,
            platform: platform, manifest: manifest?.description, configuration: configuration.description,
            layers: layers, entries: entries, tree: tree.description)
    }
}

extension ContainerImage {
    var identity: ImageIdentity { ImageIdentity(self) }
}

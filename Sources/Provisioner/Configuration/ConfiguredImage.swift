public import CVMFS

extension ImageConfiguration {
    /// Where a repository keeps the configuration of the image that was published at a path.
    public static func place(ofImageAt path: RepositoryPath) -> RepositoryPath {
        let records = RepositoryPath("/.metadata")
        let folder =
            path.isRoot ? records.appending(FileName(".root")) : RepositoryPath(bytes: records.bytes + path.bytes)
        return folder.appending(FileName("config.json"))
    }

    /// The configuration that was published with an image; an empty one when the repository has none, as for a root that
    /// never was a container image.
    ///
    /// - Throws: `ProvisionerError` with `.configuration` when it is malformed; what reading the snapshot throws.
    public static func published(with image: Image) async throws -> ImageConfiguration {
        let place = place(ofImageAt: image.root)
        guard let entry = try await image.snapshot.entryIfPresent(at: place), entry.kind == .file else {
            return ImageConfiguration()
        }
        let file = try await image.snapshot.file(entry)
        return try ImageConfiguration(
            parsing: try await file.readAll(limit: ProvisionerLimits.configurationBytes))
    }
}

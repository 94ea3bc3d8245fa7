internal import CASCore
internal import SystemPackage

/// Finds an image in an OCI image layout, or in what docker save writes.
struct ImageLayout {
    let files: ImageFiles

    private var path: String { files.path.string }

    /// - Throws: `source` when the layout is damaged or incomplete, `noSuchEntry` when it has no such image,
    ///   `invalidArgument` when it has several and nothing says which, `unsupported` for layers that are elsewhere.
    func image(_ selection: ImageSelection) throws(PublishingError) -> ContainerImage {
        if let index = try files.document("index.json") { return try layoutImage(index, selection) }
        guard let manifest = try files.document("manifest.json") else {
            throw PublishingError(.source, "\(path) has neither an index.json nor a manifest.json: it is no image")
        }
        return try savedImage(manifest, selection)
    }

    // MARK: OCI image layout

    private func layoutImage(_ bytes: [UInt8], _ selection: ImageSelection) throws(PublishingError) -> ContainerImage {
        let index = try ImageDocuments.decode(ImageDocuments.Index.self, from: bytes, what: "\(path)(index.json)")
        var candidates = index.manifests
        try check(candidates.count)
        let names = Set(candidates.compactMap(\.name)).sorted()
        if let reference = selection.reference {
            candidates = candidates.filter { $0.isNamed(reference) }
            guard !candidates.isEmpty else { throw unknown(reference, names) }
        } else if names.count > 1 {
            throw several(names)
        }
        let found = try manifests(in: candidates, depth: 0)
        let descriptor = try choose(found, selection)
        let what = "the manifest"
        let manifestBytes = try document(descriptor, what: what)
        let manifest = try ImageDocuments.decode(
            ImageDocuments.Manifest.self, from: manifestBytes, what: "\(path): \(what)")
        let configurationBytes = try document(manifest.config, what: "the configuration")
        let configuration = try self.configuration(configurationBytes, layers: manifest.layers.count)
        var layers: [ContainerImage.Layer] = []
        for (layer, diffID) in zip(manifest.layers, configuration.diffIDs) {
            let digest = try self.digest(layer.digest)
            layers.append(
                ContainerImage.Layer(
                    name: Self.blob(digest), digest: digest, size: layer.size, diffID: diffID,
                    mediaType: try layerType(layer)))
        }
        return ContainerImage(
            files: files, format: .oci, reference: selection.reference ?? names.first,
            platform: descriptor.platform?.platform ?? configuration.platform,
            manifest: .init(digest: try digest(descriptor.digest), bytes: manifestBytes),
            configuration: .init(digest: try digest(manifest.config.digest), bytes: configurationBytes), layers: layers)
    }

    /// The manifests of images, those in nested indexes too.
    private func manifests(
        in descriptors: [ImageDocuments.Descriptor], depth: Int
    ) throws(PublishingError) -> [ImageDocuments.Descriptor] {
        guard depth <= ImageLimits.indexDepth else {
            throw PublishingError(.source, "\(path) has more than \(ImageLimits.indexDepth) indexes inside each other")
        }
        var found: [ImageDocuments.Descriptor] = []
        for descriptor in descriptors where !descriptor.isNoImage {
            guard descriptor.isIndex else {
                found.append(descriptor)
                continue
            }
            let bytes = try document(descriptor, what: "an index")
            let index = try ImageDocuments.decode(ImageDocuments.Index.self, from: bytes, what: "\(path): an index")
            found += try manifests(in: index.manifests, depth: depth + 1)
            try check(found.count)
        }
        return found
    }

    private func choose(
        _ found: [ImageDocuments.Descriptor], _ selection: ImageSelection
    ) throws(PublishingError) -> ImageDocuments.Descriptor {
        let platforms = Set(found.compactMap { $0.platform?.platform?.description }).sorted().joined(separator: ", ")
        let wanted = selection.platform ?? .host
        // A manifest that does not say what it is for is not turned away.
        let fitting = found.filter { $0.platform?.platform?.fits(wanted) ?? true }
        let chosen = selection.platform == nil && found.count == 1 ? found : fitting
        guard let first = chosen.first else {
            throw PublishingError(
                .noSuchEntry,
                found.isEmpty
                    ? "\(path) has no image"
                    : "\(path) has no image for \(wanted): choose one of \(platforms) (--platform)")
        }
        guard Set(chosen.map(\.digest)).count == 1 else {
            throw PublishingError(
                .invalidArgument,
                "\(path) has \(chosen.count) images for \(wanted), and nothing tells them apart (platforms: \(platforms))"
            )
        }
        return first
    }

    private func document(_ descriptor: ImageDocuments.Descriptor, what: String) throws(PublishingError) -> [UInt8] {
        let digest = try digest(descriptor.digest)
        return try files.document(Self.blob(digest), digest: digest, size: descriptor.size, what: what)
    }

    private func digest(_ text: String) throws(PublishingError) -> SHA256Digest {
        guard let digest = SHA256Digest(text) else {
            throw PublishingError(
                .unsupported, "\(path) names a part by \"\(text.prefix(100))\"; only sha256 digests are known")
        }
        return digest
    }

    private static func blob(_ digest: SHA256Digest) -> String { "blobs/sha256/\(digest.hexadecimal)" }

    private func layerType(_ layer: ImageDocuments.Descriptor) throws(PublishingError) -> String {
        let type = layer.mediaType ?? ""
        guard !type.contains("nondistributable"), !type.contains("foreign") else {
            throw PublishingError(
                .unsupported,
                "\(path): the layer \(layer.digest) is one that may not be passed on (\(type)), and not in the image")
        }
        guard Self.layerTypes.contains(type) else {
            throw PublishingError(
                .unsupported, "\(path): the layer \(layer.digest) has the type \"\(type)\", which is not known")
        }
        return type
    }

    private static let layerTypes: Set<String> = [
        "application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.oci.image.layer.v1.tar+zstd", "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.diff.tar.gzip", "application/vnd.docker.image.rootfs.diff.tar.zstd",
    ]

    // MARK: docker save

    private func savedImage(_ bytes: [UInt8], _ selection: ImageSelection) throws(PublishingError) -> ContainerImage {
        var images = try ImageDocuments.decode(
            [ImageDocuments.SavedImage].self, from: bytes, what: "\(path)(manifest.json)")
        try check(images.count)
        let names = images.flatMap { $0.tags ?? [] }.sorted()
        if let reference = selection.reference {
            images = images.filter { $0.tags?.contains(reference) == true }
            guard !images.isEmpty else { throw unknown(reference, names) }
        }
        guard let image = images.first else { throw PublishingError(.noSuchEntry, "\(path) has no image") }
        guard images.count == 1 else { throw several(names) }
        guard let configurationBytes = try files.document(image.configuration) else {
            throw files.missing(image.configuration, "the configuration")
        }
        let digest = SHA256Digest.of(configurationBytes)
        // The file's name is the digest of what is in it.
        let name = (image.configuration.split(separator: "/").last ?? "").split(separator: ".").first ?? ""
        guard SHA256Digest(hexadecimal: name).map({ $0 == digest }) ?? true else {
            throw PublishingError(.source, "the configuration is damaged: \(path)(\(image.configuration)) is \(digest)")
        }
        let configuration = try self.configuration(configurationBytes, layers: image.layers.count)
        if let wanted = selection.platform, let platform = configuration.platform, !platform.fits(wanted) {
            throw PublishingError(.noSuchEntry, "\(path) has no image for \(wanted), but one for \(platform)")
        }
        return ContainerImage(
            files: files, format: .docker, reference: selection.reference ?? image.tags?.first,
            platform: configuration.platform, manifest: nil,
            configuration: .init(digest: digest, bytes: configurationBytes),
            layers: zip(image.layers, configuration.diffIDs).map { name, diffID in
                ContainerImage.Layer(
                    name: name, digest: nil, size: nil, diffID: diffID,
                    mediaType: "application/vnd.docker.image.rootfs.diff.tar")
            })
    }

    // MARK: Both

    private func configuration(
        _ bytes: [UInt8], layers: Int
    ) throws(PublishingError) -> (platform: ImagePlatform?, diffIDs: [SHA256Digest]) {
        let what = "\(path): the configuration"
        let configuration = try ImageDocuments.decode(ImageDocuments.Configuration.self, from: bytes, what: what)
        guard configuration.rootfs.diffIDs.count == layers else {
            throw PublishingError(
                .source, "\(what) speaks of \(configuration.rootfs.diffIDs.count) layers, the manifest of \(layers)")
        }
        guard layers <= ImageLimits.layers else {
            throw PublishingError(.source, "\(path) has \(layers) layers; more than \(ImageLimits.layers) are refused")
        }
        var diffIDs: [SHA256Digest] = []
        for text in configuration.rootfs.diffIDs { diffIDs.append(try digest(text)) }
        return (configuration.platform, diffIDs)
    }

    private func check(_ manifests: Int) throws(PublishingError) {
        guard manifests <= ImageLimits.manifests else {
            throw PublishingError(.source, "\(path) has more than \(ImageLimits.manifests) manifests")
        }
    }

    private func unknown(_ reference: String, _ names: [String]) -> PublishingError {
        PublishingError(
            .noSuchEntry,
            "\(path) has no image \"\(reference)\"; it has \(names.isEmpty ? "none with a name" : Self.list(names))")
    }

    private func several(_ names: [String]) -> PublishingError {
        PublishingError(.invalidArgument, "\(path) has several images: name one of \(Self.list(names)) (--image)")
    }

    private static func list(_ names: [String]) -> String {
        names.prefix(20).joined(separator: ", ") + (names.count > 20 ? ", …" : "")
    }
}

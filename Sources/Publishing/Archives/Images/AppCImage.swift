internal import CASCore

/// An AppC image: a tar archive with a `manifest` and the tree below `rootfs`. Source: App Container specification.
enum AppCImage {
    /// Puts the tree of an image into a staged tree.
    ///
    /// - Returns: the manifest.
    static func stage(
        _ reader: TarReader, contents: ArchiveIngest.Contents, scratchFolder: String
    ) async throws -> (tree: StagedTree, manifest: [UInt8]) {
        let tree = try StagedTree(scratchFolder: scratchFolder, label: reader.label)
        var ingest = ArchiveIngest(into: tree, contents: contents, isLayer: false)
        var manifest: [UInt8]?
        try await ingest.add(reader) { (entry: inout TarEntry) throws(PublishingError) in
            let names = try ArchivePath.components(of: entry.path, in: reader.label)
            guard let first = names.first else { return false }
            if first == "manifest", names.count == 1, entry.kind == .file {
                manifest = try document(reader)
                return false
            }
            guard first == "rootfs" else {
                throw PublishingError(
                    .source, "\(reader.label): \(TarReader.quoted(entry.path)) has no place in an AppC image")
            }
            entry.path = path(of: names)
            if entry.kind == .hardlink {
                let target = try ArchivePath.components(of: entry.target, in: reader.label)
                guard target.first == "rootfs" else {
                    throw PublishingError(
                        .source,
                        "\(reader.label): \(TarReader.quoted(entry.path)) is a hard link to outside of the image")
                }
                entry.target = path(of: target)
            }
            return true
        }
        guard let manifest else {
            throw PublishingError(.source, "\(reader.label) lacks the manifest of an AppC image")
        }
        let parsed = try ImageDocuments.decode(
            ImageDocuments.AppCManifest.self, from: manifest, what: "\(reader.label)(manifest)")
        guard parsed.acKind == "ImageManifest" else {
            throw PublishingError(.source, "\(reader.label) is a \(parsed.acKind.prefix(100)), no ImageManifest")
        }
        guard parsed.dependencies?.isEmpty ?? true, parsed.pathWhitelist?.isEmpty ?? true else {
            throw PublishingError(
                .unsupported,
                "\(reader.label) depends on other images, or has a whitelist of paths: render it to a whole image first"
            )
        }
        return (tree, manifest)
    }

    private static func path(of names: [FileName]) -> [UInt8] {
        Array(names.dropFirst().map(\.bytes).joined(separator: [UInt8(ascii: "/")]))
    }

    private static func document(_ reader: TarReader) throws(PublishingError) -> [UInt8] {
        var bytes: [UInt8] = []
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
        defer { buffer.deallocate() }
        while true {
            let count = try reader.read(into: buffer)
            if count == 0 { return bytes }
            bytes.append(contentsOf: buffer[..<count])
            guard bytes.count <= ImageLimits.documentBytes else {
                throw PublishingError(
                    .source, "\(reader.label): the manifest has more than \(ImageLimits.documentBytes) bytes")
            }
        }
    }
}

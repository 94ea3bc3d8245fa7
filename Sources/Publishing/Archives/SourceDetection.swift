internal import CASCore
package import SystemPackage

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// What kind of thing is to be published.
package enum DetectedSource {
    case directory
    /// A tar archive, possibly compressed.
    case tar
    /// An OCI image layout or what docker save writes, as a folder or as a tar archive.
    case image(ImageFiles)
    /// An AppC image.
    case appc

    package var name: String {
        switch self {
        case .directory: "directory"
        case .tar: "tar archive"
        case .image: "container image"
        case .appc: "AppC image"
        }
    }

    /// Whether it may hold several images, of which one is chosen.
    var hasChoice: Bool {
        if case .image = self { true } else { false }
    }
}

/// Tells what is at a path by what is in it, not by its name. Blocks for the disk.
package enum SourceDetection {
    /// - Throws: `source` when there is nothing, or nothing that can be published.
    package static func detect(
        at path: FilePath, bounds: ArchiveBounds = ArchiveBounds()
    ) throws(PublishingError) -> DetectedSource {
        var status = stat()
        guard stat(path.string, &status) == 0 else {
            throw PublishingError(.source, "\(path) cannot be read", cause: Errno(rawValue: errno))
        }
        switch status.st_mode & S_IFMT {
        case S_IFDIR:
            let files = ImageFiles(folder: path)
            return try isImage(files) ? .image(files) : .directory
        case S_IFREG: return try detectArchive(at: path, bounds: bounds)
        // A pipe can be read once, so it is what such a thing usually is.
        default: return .tar
        }
    }

    private static func isImage(_ files: ImageFiles) throws(PublishingError) -> Bool {
        func isFile(_ name: String) -> Bool {
            var status = stat()
            return stat(files.path.appending(name).string, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
        }
        if isFile("oci-layout"), isFile("index.json") { return true }
        guard isFile("manifest.json"), let bytes = try? files.document("manifest.json") else { return false }
        // Other programs have a manifest.json, too.
        return (try? ImageDocuments.decode([ImageDocuments.SavedImage].self, from: bytes, what: "")) != nil
    }

    private static func detectArchive(
        at path: FilePath, bounds: ArchiveBounds
    ) throws(PublishingError) -> DetectedSource {
        let stream = try DecompressedStream(try FileStream(at: path), bounds: bounds)
        let reader = TarReader(stream, bounds: bounds, requiresEndMarker: false)
        var members: [String: ImageFiles.Member] = [:]
        var isAppC = (manifest: false, rootfs: false)
        while let entry = try reader.next() {
            let names = entry.path.split(separator: UInt8(ascii: "/")).filter { !$0.elementsEqual(".".utf8) }
                .map { String(decoding: $0, as: UTF8.self) }
            guard let first = names.first else { continue }
            if members.isEmpty, first == "manifest" && names.count == 1 || first == "rootfs" {
                if first == "manifest" { isAppC.manifest = true } else { isAppC.rootfs = true }
                if isAppC.manifest, isAppC.rootfs { return .appc }
                continue
            }
            guard belongsToImage(first), !isAppC.manifest, !isAppC.rootfs, members.count < ImageLimits.files else {
                return .tar
            }
            let name = names.joined(separator: "/")
            switch entry.kind {
            case .file: members[name] = .file(offset: reader.contentOffset, size: entry.size)
            case .hardlink: members[name] = .link(String(decoding: entry.target, as: UTF8.self))
            case .symlink:
                // Older archives name a layer that they have already by one.
                let target = FilePath(String(decoding: entry.target, as: UTF8.self))
                let joined = FilePath("/\(name)").removingLastComponent().pushing(target).lexicallyNormalized()
                members[name] = .link(String(joined.string.drop { $0 == "/" }))
            case .directory: break
            case .character, .block, .fifo: return .tar
            }
        }
        guard members["index.json"] != nil && members["oci-layout"] != nil || members["manifest.json"] != nil else {
            return .tar
        }
        return .image(
            try ImageFiles(
                archive: path, isCompressed: stream.compression != .none, members: members, bounds: bounds))
    }

    /// Whether a name at the top may stand in an image. A root file system has others soon.
    private static func belongsToImage(_ name: String) -> Bool {
        let known: Set = ["blobs", "index.json", "oci-layout", "manifest.json", "repositories"]
        if known.contains(name) { return true }
        let stem = name.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard stem.count == 1 || stem[1] == "json" || stem[1] == "tar" || stem[1] == "tar.gz" else { return false }
        // skopeo and older programs of docker name folders and layers by digests.
        return stem[0].utf8.count == 64
            && stem[0].utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte)
            }
    }
}

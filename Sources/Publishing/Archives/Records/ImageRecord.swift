public import CASCore
internal import FoundationEssentials

/// What is kept in a repository of a container image that was published: which image it was, and what its tree was.
///
/// It lies beside the image, in `/.metadata/PATH/cvmfs-image.json`, together with the image's own manifest
/// (`manifest.json`) and configuration (`config.json`), byte by byte. Source: format 7.6.
public struct ImageRecord: Sendable, Hashable, Codable {
    /// Where an image came from.
    public enum Format: String, Sendable, Codable {
        /// An OCI image layout.
        case oci
        /// What docker save writes.
        case docker
        /// An AppC image.
        case appc
    }

    public struct Layer: Sendable, Hashable, Codable {
        /// Digest of the layer as the image has it (`sha256:…`); absent of docker save.
        public let digest: String?
        /// Digest of the tar archive in it.
        public let diffID: String
        public let mediaType: String
        /// Bytes of the layer as the image has it.
        public let size: Int64?
    }

    /// The form of the record itself: 1.
    public let version: Int
    /// Where in the repository the image's tree is.
    public let path: String
    public let format: Format
    /// The image's name, if it had one.
    public let reference: String?
    /// What it runs on, as `linux/amd64`.
    public let platform: String?
    /// Digest of the manifest, by which registries name the image; absent of docker save.
    public let manifest: String?
    /// Digest of the configuration, the image's id; of an AppC image that of its manifest.
    public let configuration: String
    /// The lowest first.
    public let layers: [Layer]
    /// Entries of the tree.
    public let entries: Int
    /// Digest of the tree as it was published. See Docs/Images.md.
    public let tree: String

    static let version = 1
    static let fileName: FileName = "cvmfs-image.json"
    static let manifestName: FileName = "manifest.json"
    static let configurationName: FileName = "config.json"
    static let folderName: FileName = ".metadata"
    /// The record of an image that is the whole repository.
    static let rootName: FileName = ".root"

    /// The folder of the record of an image at a path.
    public static func folder(of path: RepositoryPath) -> RepositoryPath {
        let folder = RepositoryPath.root.appending(folderName)
        return path.isRoot ? folder.appending(rootName) : folder.appending(path)
    }

    /// The same on every machine and at any time.
    func encoded() throws(PublishingError) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        do {
            return Array(try encoder.encode(self)) + [0x0A]
        } catch {
            throw PublishingError(
                .invalidArgument, "the record of the image at \(path) cannot be written", cause: error)
        }
    }

    /// - Throws: `corrupt` when the bytes are no record, `unsupported` when they are one of another version.
    static func decoded(_ bytes: [UInt8], at path: RepositoryPath) throws(PublishingError) -> ImageRecord {
        let record: ImageRecord
        do {
            record = try JSONDecoder().decode(ImageRecord.self, from: Data(bytes))
        } catch {
            throw PublishingError(.corrupt, "\(path) is no record of an image", cause: error)
        }
        guard record.version == version else {
            throw PublishingError(
                .unsupported, "\(path) has version \(record.version); this program knows \(version): use a newer one")
        }
        return record
    }
}

internal import CASCore
public import CVMFS
internal import FoundationEssentials
internal import Glibc

/// An image that a cache keeps, as its record there says.
public struct PinnedImage: Sendable, Hashable {
    /// The repository's name (fqrn).
    public let repository: String
    public let path: RepositoryPath
    /// The snapshot that it is of.
    public let rootHash: ContentHash
    public let revision: UInt64
    public let tag: String?
    public let objects: Int
    /// Of its files' content.
    public let bytes: Int64
    public let files: Int
    /// When it was pinned, or completed, in seconds since 1970.
    public var time: Int64
    /// Whether all of it was in the cache, on the disk, when that time came: since then it needs no network.
    public var isComplete: Bool

    /// What pin and record are called in the cache.
    var name: String { Self.name(repository, path, rootHash) }

    static func name(_ repository: String, _ path: RepositoryPath, _ root: ContentHash) -> String {
        let text = Array("\(repository)\n\(root)\n".utf8) + path.bytes
        let key = PathKey(path: text.span.bytes)
        return "image-" + [key.first, key.second].map { hexadecimal($0) }.joined()
    }

    private static func hexadecimal(_ number: Int64) -> String {
        let digits = String(UInt64(bitPattern: number), radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

/// The images that a cache keeps: a pin of its store each, and a small file that says of what.
public struct PinnedImages: Sendable {
    private let store: DiskStore

    public init(of store: DiskStore) { self.store = store }

    /// All of them, the latest first. Files that are no records are passed over. Blocks for the disk.
    public func all() throws -> [PinnedImage] {
        let names = try LocalFile.names(in: store.path) ?? []
        let images = names.filter { $0.hasPrefix("image-") && $0.hasSuffix(".json") }
            .compactMap { name -> PinnedImage? in
                // A file that cannot be read is no reason to hide the others.
                guard
                    let bytes = try? LocalFile.read(
                        store.path.appending(name), limit: ProvisionerLimits.recordBytes),
                    let record = try? BoundedJSON.decode(Record.self, from: bytes, what: name)
                else { return nil }
                return record.image
            }
        return images.sorted { ($0.time, $0.name) > ($1.time, $1.name) }
    }

    /// What can be used of an image without any server: the newest that is complete.
    ///
    /// - Parameters:
    ///   - repository: its name (fqrn).
    ///   - path: of the image in it.
    ///   - root: only of this snapshot.
    ///   - tag: only pinned by that tag.
    public func complete(
        _ repository: String, path: RepositoryPath, root: ContentHash? = nil, tag: String? = nil
    ) throws -> PinnedImage? {
        try all().first {
            $0.isComplete && $0.repository == repository && $0.path == path && (root == nil || $0.rootHash == root)
                && (tag == nil || $0.tag == tag)
        }
    }

    /// Ends a pin: the image's objects may be evicted again, unless another pin keeps them.
    public func release(_ image: PinnedImage) throws {
        try store.unpin(image.name)
        _ = store.path.appending(image.name + ".json").withPlatformString { unlink($0) }
    }

    func record(_ image: PinnedImage) throws {
        try LocalFile.replace(
            store.path.appending(image.name + ".json"), with: Array(try JSONEncoder().encode(Record(image))))
    }

    /// The file's form.
    private struct Record: Codable {
        let repository: String
        let path: Data
        let rootHash: String
        let revision: UInt64
        let tag: String?
        let objects: Int
        let bytes: Int64
        let files: Int
        let time: Int64
        let isComplete: Bool

        init(_ image: PinnedImage) {
            repository = image.repository
            path = Data(image.path.bytes)
            rootHash = image.rootHash.description
            revision = image.revision
            tag = image.tag
            objects = image.objects
            bytes = image.bytes
            files = image.files
            time = image.time
            isComplete = image.isComplete
        }

        var image: PinnedImage? {
            guard let rootHash = ContentHash(rootHash) else { return nil }
            return PinnedImage(
                repository: repository, path: RepositoryPath(bytes: path), rootHash: rootHash, revision: revision,
                tag: tag, objects: objects, bytes: bytes, files: files, time: time, isComplete: isComplete)
        }
    }
}

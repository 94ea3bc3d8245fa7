internal import CASCore
internal import CVMFS
internal import Catalog

/// The digest of a whole tree: SHA-256 over every entry in the order of a walk, and over the names of the objects that
/// hold its content. Docs/Images.md has the form, byte by byte.
struct TreeDigest: ~Copyable {
    private var hasher = StrongHasher()
    private(set) var entries = 0

    /// - Parameter objects: what holds the content, in order; each with the bytes it stands for.
    mutating func add(_ entry: CanonicalEntry, objects: [(id: ObjectID, size: Int64)]) {
        var bytes: [UInt8] = []
        func append(_ value: some FixedWidthInteger) {
            withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
        }
        func append(_ text: [UInt8]) {
            append(UInt32(text.count))
            bytes.append(contentsOf: text)
        }
        append(entry.path.bytes)
        append(entry.mode)
        append(entry.uid)
        append(entry.gid)
        append(entry.mtime)
        append(entry.mtimeNanoseconds)
        append(entry.device)
        append(entry.target)
        append(entry.xattrs)
        append(entry.link.bytes)
        append(entry.size)
        append(UInt32(objects.count))
        for object in objects {
            append(Array(object.id.description.utf8))
            append(object.id.compression.rawValue)
            append(object.size)
        }
        bytes.withUnsafeBytes { hasher.update($0) }
        entries += 1
    }

    consuming func finalize() -> SHA256Digest { SHA256Digest(hasher.finalize()) }

    /// Of a staged tree whose contents are stored.
    static func of(_ tree: StagedTree) throws(PublishingError) -> (digest: SHA256Digest, entries: Int) {
        var source = StagedTreeSource(tree)
        var canonical = CanonicalEntries()
        var digest = TreeDigest()
        while let entry = try source.next() {
            var objects: [(id: ObjectID, size: Int64)] = []
            var size: Int64 = 0
            if case .stored(let content) = entry.content {
                size = content.size
                objects = Self.objects(content)
            }
            digest.add(canonical.entry(entry, size: size), objects: objects)
        }
        let entries = digest.entries
        return (digest.finalize(), entries)
    }

    private static func objects(_ content: StoredContent) -> [(id: ObjectID, size: Int64)] {
        if content.chunks.isEmpty {
            return content.whole.map { [(ObjectID($0, compression: content.compression), content.size)] } ?? []
        }
        return content.chunks.map { ($0.object, $0.size) }
    }

    /// The objects of an entry of a snapshot.
    static func objects(of entry: Entry, in snapshot: Snapshot) async throws -> [(id: ObjectID, size: Int64)] {
        guard entry.kind == .file else { return [] }
        if entry.isChunked { return try await snapshot.chunks(of: entry).map { ($0.object, $0.size) } }
        return entry.object.map { [($0, entry.size)] } ?? []
    }
}

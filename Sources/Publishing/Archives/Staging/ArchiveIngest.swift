internal import CASCore
internal import DequeModule

/// Puts archives into a staged tree, and their contents into a repository's storage, while they are read.
///
/// One task reads; the pipeline packs and stores with all cores meanwhile, and bounds the memory for it. A content that
/// a later entry or layer replaces has been stored by then: it is an object that nothing references, which the next
/// collection removes. (To spare it the headers of all layers would have to be read first, that is, everything be
/// unpacked twice.) Blocks for what it reads: run it on a task that prefers `BlockingPool`.
struct ArchiveIngest {
    /// Where contents go.
    enum Contents {
        case stored(ContentPipeline)
        /// Nowhere: what is wanted is their digests, to be compared.
        case digests
    }

    let tree: StagedTree
    private let contents: Contents
    private let isLayer: Bool
    private var pending: Deque<(inode: Int64, content: PendingContent)> = []

    /// - Parameter isLayer: whether names of whiteouts take away what lower layers hold.
    init(into tree: StagedTree, contents: Contents, isLayer: Bool) {
        self.tree = tree
        self.contents = contents
        self.isLayer = isLayer
    }

    /// Reads an archive to its end.
    ///
    /// - Parameter place: where in the tree an entry goes; with `nil` it is passed over.
    mutating func add(
        _ reader: TarReader, place: (inout TarEntry) throws(PublishingError) -> Bool = { _ in true }
    ) async throws {
        tree.beginLayer()
        while var entry = try reader.next() {
            try Task.checkCancellation()
            guard try place(&entry) else { continue }
            guard let inode = try tree.add(entry, isLayer: isLayer) else { continue }
            let content = EntryContent(reader, size: entry.size, path: entry.path)
            switch contents {
            case .stored(let pipeline):
                pending.append((inode, try await pipeline.submit(content)))
                while pending.count > ArchiveLimits.filesPending { try await settleOne() }
            case .digests: try tree.setDigest(try content.digest(), size: entry.size, of: inode)
            }
        }
        try reader.finish()
        while !pending.isEmpty { try await settleOne() }
    }

    private mutating func settleOne() async throws {
        guard let next = pending.popFirst() else { return }
        try tree.setContent(try await next.content.value(), of: next.inode)
    }
}

/// The content of the entry that a reader is at.
private final class EntryContent: ContentSource {
    private let reader: TarReader
    private let size: Int64
    private let path: [UInt8]

    init(_ reader: TarReader, size: Int64, path: [UInt8]) {
        self.reader = reader
        self.size = size
        self.path = path
    }

    var label: String { "\(reader.label): \(TarReader.quoted(path))" }
    var expectedSize: Int64? { size }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(PublishingError) -> Int {
        try reader.read(into: buffer)
    }

    func digest() throws(PublishingError) -> StrongDigest {
        var hasher = StrongHasher()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
        defer { buffer.deallocate() }
        while true {
            let count = try read(into: buffer)
            if count == 0 { return hasher.finalize() }
            hasher.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
    }
}

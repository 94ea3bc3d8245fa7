internal import CASCore
internal import Catalog

/// What files of this machine were stored as, so that one which has not changed since is not even read.
///
/// A file is recognised by device, inode, size and both times: its path may be another one, its content cannot. A hit
/// says only what the objects' names would be: whoever asks makes sure that they are there.
struct FilesIndex: Sendable {
    private static let select = "SELECT content FROM files WHERE inode=? AND device=?"

    private let file: IndexFile
    private let options: ContentOptions
    /// What decides the objects' names besides content and deflater.
    private let parameters: [UInt8]

    init(_ file: String?, _ options: ContentOptions) {
        self.file = IndexFile(
            at: file,
            schema: """
                CREATE TABLE files (inode INTEGER, device INTEGER, content BLOB NOT NULL, PRIMARY KEY (inode, device)) \
                WITHOUT ROWID
                """)
        self.options = options
        let sizes = options.chunkSizes.map { [$0.minimum, $0.average, $0.maximum] } ?? []
        parameters =
            [options.algorithm.rawValue, options.compression.rawValue] + sizes.flatMap { Self.bytes(Int64($0)) }
    }

    func content(of file: FileIdentity) -> StoredContent? {
        let numbers = Self.numbers(file)
        let record = self.file.use { database throws(CatalogError) in
            try database.row(of: Self.select, numbers) { $0.bytes(0) }
        }
        let key = key(file)
        guard let record, let value = IndexRecord.opened(record, for: []), value.starts(with: key) else { return nil }
        return decoded(value.dropFirst(key.count), size: file.size)
    }

    func remember(_ file: FileIdentity, as content: StoredContent) {
        let numbers = Self.numbers(file)
        let record = IndexRecord.sealed(key(file) + encoded(content), for: [])
        self.file.use(writes: true) { database throws(CatalogError) in
            try database.run("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", numbers + [.blob(record)])
        }
    }

    func commit() { file.commit() }

    private static func numbers(_ file: FileIdentity) -> [SQLValue] {
        [.integer(Int64(bitPattern: file.inode)), .integer(Int64(bitPattern: file.device))]
    }

    /// Everything that must be as it was.
    private func key(_ file: FileIdentity) -> [UInt8] {
        let numbers = [
            Int64(bitPattern: file.inode), Int64(bitPattern: file.device), file.size, file.modified, file.changed,
        ]
        return numbers.flatMap(Self.bytes) + parameters
    }

    private static func bytes(_ number: Int64) -> [UInt8] { withUnsafeBytes(of: number.littleEndian) { Array($0) } }

    /// A whole object's digest, or for every chunk its size and its digest.
    private func encoded(_ content: StoredContent) -> [UInt8] {
        if let whole = content.whole { return whole.digest }
        return content.chunks.flatMap { Self.bytes($0.size) + $0.hash.digest }
    }

    private func decoded(_ bytes: ArraySlice<UInt8>, size: Int64) -> StoredContent? {
        let compression = options.compression
        if bytes.count == HashAlgorithm.digestLength {
            guard let whole = ContentHash(algorithm: options.algorithm, digest: bytes) else { return nil }
            return StoredContent(size: size, whole: whole, chunks: [], compression: compression)
        }
        let length = 8 + HashAlgorithm.digestLength
        guard bytes.count % length == 0, bytes.count > length else { return nil }
        var chunks: [FileChunk] = []
        var offset: Int64 = 0
        for start in stride(from: bytes.startIndex, to: bytes.endIndex, by: length) {
            let count = bytes[start..<(start + 8)].reversed().reduce(Int64(0)) { $0 << 8 | Int64($1) }
            let digest = bytes[(start + 8)..<(start + length)]
            guard count > 0, count <= size - offset,
                let hash = ContentHash(algorithm: options.algorithm, digest: digest)
            else { return nil }
            chunks.append(FileChunk(offset: offset, size: count, hash: hash, compression: compression))
            offset += count
        }
        guard offset == size else { return nil }
        return StoredContent(size: size, whole: nil, chunks: chunks, compression: compression)
    }
}

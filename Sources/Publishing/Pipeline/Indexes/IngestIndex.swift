internal import CASCore
internal import Catalog

/// What plain content was stored as, so that content which is stored anywhere in the repository is hashed but not
/// packed again.
///
/// A hit says only what the object's name would be: whoever asks makes sure that it is there.
struct IngestIndex: Sendable {
    let file: IndexFile
    /// What decides an object's name besides content and deflater. The deflater is left out on purpose: content keeps
    /// the object that it has.
    let parameters: [UInt8]

    init(_ file: String?, algorithm: HashAlgorithm, compression: Compression) {
        self.file = IndexFile(
            at: file,
            schema: """
                CREATE TABLE objects (content BLOB PRIMARY KEY, object BLOB NOT NULL) WITHOUT ROWID; \
                \(Self.candidatesTable)
                """)
        parameters = [algorithm.rawValue, compression.rawValue]
    }

    func object(of content: StrongDigest, algorithm: HashAlgorithm) -> ContentHash? {
        let key = content.bytes + parameters
        return file.use { database throws(CatalogError) in
            try database.row(of: "SELECT object FROM objects WHERE content=?", [.blob(key)]) { row -> ContentHash? in
                IndexRecord.opened(row.bytes(0), for: key).flatMap { ContentHash(algorithm: algorithm, digest: $0) }
            } ?? nil
        }
    }

    func remember(_ content: StrongDigest, as object: ContentHash) {
        let key = content.bytes + parameters
        file.use(writes: true) { database throws(CatalogError) in
            try database.run(
                "INSERT OR REPLACE INTO objects VALUES (?, ?)",
                [.blob(key), .blob(IndexRecord.sealed(object.digest, for: key))])
        }
    }

    func commit() { file.commit() }
}

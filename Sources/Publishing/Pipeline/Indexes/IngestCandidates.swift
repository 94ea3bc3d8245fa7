internal import CASCore
internal import Catalog

/// Objects of which only the content's size is known, after the index was lost. They may hold content that is asked for;
/// each is unpacked at most once to see.
extension IngestIndex {
    /// Whose objects they are: what the newest revision has is taken first.
    enum Rank: Int64, CaseIterable {
        case newest = 0
        case tagged = 1
    }

    /// `form` is what the objects' names depend on besides content and deflater.
    static let candidatesTable = """
        CREATE TABLE candidates (size INTEGER, form INTEGER, rank INTEGER, object BLOB, \
        PRIMARY KEY (size, form, rank, object)) WITHOUT ROWID
        """

    /// A row among those of contents, whose keys are longer.
    private var markKey: [UInt8] { parameters }

    /// Whether every object that the repository had when the index was begun is known, by its content or its size.
    /// Those that come later are remembered when they are stored.
    var knowsWhatIsStored: Bool {
        let key = markKey
        return file.use { database throws(CatalogError) in
            try database.row(of: "SELECT object FROM objects WHERE content=?", [.blob(key)]) {
                IndexRecord.opened($0.bytes(0), for: key) != nil
            }
        } ?? false
    }

    func markKnowing() {
        let key = markKey
        file.use(writes: true) { database throws(CatalogError) in
            try database.run(
                "INSERT OR REPLACE INTO objects VALUES (?, ?)", [.blob(key), .blob(IndexRecord.sealed([], for: key))])
        }
    }

    var hasCandidates: Bool {
        file.use { database throws(CatalogError) in
            try database.row(of: "SELECT 1 FROM candidates LIMIT 1") { _ in true }
        } ?? false
    }

    func add(_ candidate: ObjectID, size: Int64, _ rank: Rank) {
        let values = values(size) + [.integer(rank.rawValue), .blob(encoded(candidate))]
        file.use(writes: true) { database throws(CatalogError) in
            try database.run("INSERT OR IGNORE INTO candidates VALUES (?, ?, ?, ?)", values)
        }
    }

    /// One of the objects whose content has a size.
    func candidate(ofSize size: Int64, algorithm: HashAlgorithm, compression: Compression) -> ObjectID? {
        let values = values(size)
        return file.use { database throws(CatalogError) in
            try database.row(
                of: "SELECT object FROM candidates WHERE size=? AND form=? ORDER BY rank LIMIT 1", values
            ) { row -> ObjectID? in
                // Of a damaged row anything may come: it is then not there, or not what is looked for.
                let bytes = row.bytes(0)
                guard let hash = ContentHash(algorithm: algorithm, digest: bytes.dropFirst()) else { return nil }
                return ObjectID(
                    hash, kind: bytes[0] == ObjectKind.file.rawValue ? .file : .chunk, compression: compression)
            } ?? nil
        }
    }

    func drop(_ candidate: ObjectID, size: Int64) {
        let (values, object) = (values(size), encoded(candidate))
        for rank in Rank.allCases {
            file.use(writes: true) { database throws(CatalogError) in
                try database.run(
                    "DELETE FROM candidates WHERE size=? AND form=? AND rank=? AND object=?",
                    values + [.integer(rank.rawValue), .blob(object)])
            }
        }
    }

    private func values(_ size: Int64) -> [SQLValue] {
        [.integer(size), .integer(parameters.reduce(0) { $0 << 8 | Int64($1) })]
    }

    private func encoded(_ object: ObjectID) -> [UInt8] { [object.kind.rawValue] + object.hash.digest }
}

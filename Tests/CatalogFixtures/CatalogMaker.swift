public import CASCore

/// Makes a catalog file, in any layout, row by row.
///
/// ```swift
/// let maker = try CatalogMaker(at: path)
/// try maker.add(.directory(.root))
/// try maker.add(.file("/readme", size: 12, hash: hash))
/// try maker.finish()
/// ```
public final class CatalogMaker {
    public let layout: CatalogLayout
    /// For SQL of any kind.
    public let database: DatabaseMaker

    /// - Parameters:
    ///   - path: a file that is not there yet.
    ///   - rootPrefix: where its root is in the repository.
    public init(
        at path: String, layout: CatalogLayout = .newest, rootPrefix: RepositoryPath = .root, pageSize: Int = 1024
    ) throws {
        self.layout = layout
        database = try DatabaseMaker(at: path, pageSize: pageSize)
        for statement in layout.tables { try database.run(statement) }
        try database.run("BEGIN")
        if let schema = layout.schema { try setProperty("schema", schema) }
        if layout.schema == "2.5" { try setProperty("schema_revision", String(layout.revision)) }
        try setProperty("revision", "1")
        try setProperty("last_modified", "1700000000")
        if !rootPrefix.isRoot { try setProperty("root_prefix", bytes: rootPrefix.bytes) }
        for name in layout.counters {
            try setCounter("self_" + name, 0)
            try setCounter("subtree_" + name, 0)
        }
    }

    public func add(_ row: EntryRow) throws {
        let columns = row.columns(in: layout).sorted { $0.key < $1.key }
        let names = columns.map { $0.key }.joined(separator: ", ")
        let places = columns.map { _ in "?" }.joined(separator: ", ")
        try database.run("INSERT INTO catalog (\(names)) VALUES (\(places))", columns.map { $0.value })
    }

    public func addChunk(of path: RepositoryPath, offset: Int64, size: Int64, hash: ContentHash) throws {
        try addChunk(of: path, [.integer(offset), .integer(size), .blob(hash.digest)])
    }

    /// - Parameter values: of the columns `offset`, `size`, `hash`.
    public func addChunk(of path: RepositoryPath, _ values: [DatabaseValue]) throws {
        let key = path.key
        try database.run(
            "INSERT INTO chunks (md5path_1, md5path_2, offset, size, hash) VALUES (?, ?, ?, ?, ?)",
            [.integer(key.first), .integer(key.second)] + values)
    }

    /// A row of `nested_catalogs`.
    public func addNested(_ path: RepositoryPath, hash: String, size: Int64? = nil) throws {
        try addMountpoint("nested_catalogs", path.bytes, hash, size)
    }

    /// A row of `bind_mountpoints`.
    public func addBind(_ path: RepositoryPath, hash: String, size: Int64? = nil) throws {
        try addMountpoint("bind_mountpoints", path.bytes, hash, size)
    }

    public func addMountpoint(_ table: String, _ path: [UInt8], _ hash: String, _ size: Int64?) throws {
        var values: [DatabaseValue] = [.text(path)]
        if layout != .legacyWithoutHashes { values.append(.text(hash)) }
        if layout.hasMountpointSizes { values.append(size.map { .integer($0) } ?? .null) }
        let places = values.map { _ in "?" }.joined(separator: ", ")
        try database.run("INSERT INTO \(table) VALUES (\(places))", values)
    }

    public func setProperty(_ key: String, _ value: String) throws { try setProperty(key, bytes: Array(value.utf8)) }

    public func setProperty(_ key: String, bytes: [UInt8]) throws {
        try database.run("INSERT OR REPLACE INTO properties VALUES (?, ?)", [.text(key), .text(bytes)])
    }

    public func setCounter(_ name: String, _ value: Int64) throws {
        try database.run("INSERT OR REPLACE INTO statistics VALUES (?, ?)", [.text(name), .integer(value)])
    }

    /// Writes everything to the file.
    public func finish() throws { try database.run("COMMIT") }
}

package import CASCore
internal import SystemPackage

/// A catalog's file that is being made, or changed in a copy of one's own. Source: format 3.
///
/// It belongs to one task at a time and blocks for the disk. Paths are those of the repository, at or below
/// `rootPrefix`. Link counts of directories and groups are the caller's business; the counters are kept here. The same
/// calls in the same order give the same bytes.
package final class CatalogWriter {
    package let label: String
    package let file: String
    package let rootPrefix: RepositoryPath
    /// Whether anything was changed since it was opened.
    package private(set) var isChanged = false
    /// The properties as they were when the catalog was opened.
    package let original: CatalogProperties?

    let database: WritableDatabase
    private(set) var columns: EntryColumns
    private var stored: CatalogStatistics?
    private var highestGroup: UInt32?

    /// Makes a new catalog with nothing but its root.
    ///
    /// - Parameters:
    ///   - file: where; there must be none.
    ///   - root: the path of its root in the repository.
    ///   - entry: what its root is: a directory, `nestedRoot` unless it is the repository's.
    package init(creating file: String, at root: RepositoryPath, entry: EntryRecord) throws(CatalogError) {
        self.file = file
        label = "new catalog \(root)"
        rootPrefix = root
        original = nil
        database = try WritableDatabase(at: file, label: label, cacheBytes: CatalogLimits.writerCacheBytes)
        columns = EntryColumns(schema: CatalogTables.schema, label: label, rootKey: root.key)
        stored = CatalogStatistics(own: .init(), subtree: .init())
        try database.run("BEGIN")
        isChanged = true
        try CatalogTables(database).create()
        if !root.isRoot { try setProperty("root_prefix", root.bytes) }
        try insert(entry, at: root)
    }

    /// Opens a catalog that exists, to read it and maybe to change it.
    ///
    /// - Parameters:
    ///   - file: an uncompressed catalog that belongs to the caller; it is changed in place, to the newest revision of
    ///     the schema.
    ///   - root: where the catalog is mounted, which must be what it was made for.
    package init(editing file: String, at root: RepositoryPath) throws(CatalogError) {
        self.file = file
        label = "catalog \(root)"
        rootPrefix = root
        // Finds out whether it is a catalog at all.
        let catalog = try FileCatalog(at: FilePath(file))
        guard catalog.rootPrefix == root else {
            throw CatalogError(
                .malformedProperty, "\(label) says that it was made for \(catalog.rootPrefix): it cannot be changed")
        }
        guard catalog.schema.is25 else {
            throw CatalogError(
                .unsupportedSchema,
                "\(label) has schema \(catalog.schema.version), which can be read but not continued; only 2.5 can")
        }
        guard try catalog.rootEntry() != nil else {
            throw CatalogError(.malformedEntry, "\(label) has no entry for its own root")
        }
        original = catalog.properties
        columns = catalog.columns
        database = try WritableDatabase(at: file, label: label, cacheBytes: CatalogLimits.writerCacheBytes)
    }

    /// Ends a phase of writing so that the file can be closed and opened again.
    package func suspend() throws(CatalogError) {
        guard isChanged else { return }
        try writeCounters()
        try database.run("COMMIT")
        isChanged = false
    }

    /// Makes ready for a change: the first one brings the file up to date.
    private func willChange() throws(CatalogError) {
        guard !isChanged else { return }
        _ = try statistics()
        try database.run("BEGIN")
        isChanged = true
        let schema = columns.schema
        try CatalogTables(database).upgrade(from: schema)
        guard schema.revision < CatalogTables.schema.revision else { return }
        columns = EntryColumns(schema: CatalogTables.schema, label: label, rootKey: rootPrefix.key)
        // Before, devices and the like were counted as files, if at all.
        if schema.revision < 5 { try recount() }
    }

    // MARK: Reading

    /// The row of a path, without its chunks; `nil` when there is none.
    package func record(at path: RepositoryPath) throws(CatalogError) -> EntryRecord? {
        let key = path.key
        return try database.row(
            of: "SELECT \(selected) FROM catalog WHERE md5path_1 = ?1 AND md5path_2 = ?2",
            [.integer(key.first), .integer(key.second)]
        ) { row throws(CatalogError) in
            let (name, record) = try decode(row)
            guard name == path.name || path == rootPrefix else {
                throw CatalogError(.malformedEntry, "\(label): the entry at \(path) calls itself \"\(name)\"")
            }
            return record
        }
    }

    /// The chunks of a file, by offset.
    package func chunks(of record: EntryRecord, at path: RepositoryPath) throws(CatalogError) -> [FileChunk] {
        guard record.isChunked else { return [] }
        let key = path.key
        var chunks: [FileChunk] = []
        try database.forEachRow(
            of: "SELECT offset, size, hash FROM chunks WHERE md5path_1 = ?1 AND md5path_2 = ?2 ORDER BY offset",
            [.integer(key.first), .integer(key.second)]
        ) { row throws(CatalogError) in
            guard let hash = ContentHash(algorithm: record.hashAlgorithm, digest: row.bytes(2)),
                chunks.count < CatalogLimits.chunksOfFile
            else { throw CatalogError(.malformedChunks, "\(label): the chunks of \(path) are malformed") }
            chunks.append(
                FileChunk(
                    offset: row.integer(0), size: row.integer(1), hash: hash, compression: record.compression))
            return true
        }
        return chunks
    }

    /// The columns of `decode`.
    var selected: String {
        "\(columns.sql), \(EntryColumns.keySQL), \(columns.schema.hasXattrs ? "xattr" : "NULL")"
    }

    func decode(_ row: SQLRow) throws(CatalogError) -> (name: FileName, record: EntryRecord) {
        let entry = try columns.decodeWithKey(row.decodable)
        return (entry.name, EntryRecord(entry, xattrs: row.isNull(15) ? nil : row.bytes(15)))
    }

    /// The counters, with all changes up to now.
    package func statistics() throws(CatalogError) -> CatalogStatistics {
        if let stored { return stored }
        var values: [String: Int64] = [:]
        try database.forEachRow(of: "SELECT counter, value FROM statistics") { row throws(CatalogError) in
            guard values.count < CatalogLimits.counters else {
                throw CatalogError(.tooLarge, "\(label) has more than \(CatalogLimits.counters) counters")
            }
            values[String(decoding: row.bytes(0), as: UTF8.self)] = row.integer(1)
            return true
        }
        var (own, subtree) = (CatalogStatistics.Counters(), CatalogStatistics.Counters())
        for (name, counter) in CatalogStatistics.Counters.names {
            own[keyPath: counter] = values["self_" + name] ?? 0
            subtree[keyPath: counter] = values["subtree_" + name] ?? 0
        }
        let read = CatalogStatistics(own: own, subtree: subtree)
        stored = read
        return read
    }

    // MARK: Rows

    /// Adds an entry; there must be none of its path.
    package func insert(
        _ record: EntryRecord, chunks: [FileChunk] = [], at path: RepositoryPath
    ) throws(CatalogError) {
        try willChange()
        let (key, parent) = (path.key, path.parent?.key ?? .none)
        try database.run(
            "INSERT INTO catalog (\(CatalogTables.columns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [.integer(key.first), .integer(key.second), .integer(parent.first), .integer(parent.second)]
                + values(of: record) + [.text(path.name.bytes)] + lastValues(of: record))
        try insert(chunks, key: key)
        count(record, chunks: chunks.count, times: 1)
    }

    /// Gives an entry other attributes, and other content.
    ///
    /// - Parameter chunks: `nil` leaves the chunks that there are.
    package func replace(
        _ old: EntryRecord, with record: EntryRecord, chunks: [FileChunk]? = nil, at path: RepositoryPath
    ) throws(CatalogError) {
        try willChange()
        let key = path.key
        let keyValues: [SQLValue] = [.integer(key.first), .integer(key.second)]
        let before = try chunkCount(of: old, key: key)
        if let chunks, before > 0 || !chunks.isEmpty {
            try database.run("DELETE FROM chunks WHERE md5path_1 = ? AND md5path_2 = ?", keyValues)
            try insert(chunks, key: key)
        }
        try database.run(
            "UPDATE catalog SET hardlinks = ?, hash = ?, size = ?, mode = ?, mtime = ?, mtimens = ?, flags = ?, "
                + "symlink = ?, uid = ?, gid = ?, xattr = ? WHERE md5path_1 = ? AND md5path_2 = ?",
            values(of: record) + lastValues(of: record) + keyValues)
        guard database.changes == 1 else {
            throw CatalogError(.corrupt, "\(label): the entry \(path) is not there to be replaced")
        }
        count(old, chunks: before, times: -1)
        count(record, chunks: chunks?.count ?? before, times: 1)
    }

    /// Removes the row of one entry, and its chunks.
    package func remove(_ record: EntryRecord, at path: RepositoryPath) throws(CatalogError) {
        try willChange()
        let key = path.key
        let keyValues: [SQLValue] = [.integer(key.first), .integer(key.second)]
        let chunks = try chunkCount(of: record, key: key)
        if chunks > 0 { try database.run("DELETE FROM chunks WHERE md5path_1 = ? AND md5path_2 = ?", keyValues) }
        try database.run("DELETE FROM catalog WHERE md5path_1 = ? AND md5path_2 = ?", keyValues)
        guard database.changes == 1 else {
            throw CatalogError(.corrupt, "\(label): the entry \(path) is not there to be removed")
        }
        count(record, chunks: chunks, times: -1)
    }

    private func values(of record: EntryRecord) -> [SQLValue] {
        let hash: SQLValue =
            record.kind == .file
            ? record.contentHash.map { hash in .blob(hash.digest) } ?? .null : .null
        return [
            .integer(record.storedLinks), hash, .integer(record.storedSize), .integer(Int64(record.mode)),
            .integer(record.mtime), record.mtimeNanoseconds.map { .integer(Int64($0)) } ?? .null,
            .integer(Int64(record.flags.rawValue)),
        ]
    }

    private func lastValues(of record: EntryRecord) -> [SQLValue] {
        [
            .text(record.target), .integer(Int64(record.uid)), .integer(Int64(record.gid)),
            record.xattrs.map { .blob($0) } ?? .null,
        ]
    }

    private func insert(_ chunks: [FileChunk], key: PathKey) throws(CatalogError) {
        for chunk in chunks {
            try database.run(
                "INSERT INTO chunks (md5path_1, md5path_2, offset, size, hash) VALUES (?, ?, ?, ?, ?)",
                [
                    .integer(key.first), .integer(key.second), .integer(chunk.offset), .integer(chunk.size),
                    .blob(chunk.hash.digest),
                ])
        }
    }

    private func chunkCount(of record: EntryRecord, key: PathKey) throws(CatalogError) -> Int {
        guard record.isChunked else { return 0 }
        let count = try database.row(
            of: "SELECT COUNT(*) FROM chunks WHERE md5path_1 = ? AND md5path_2 = ?",
            [.integer(key.first), .integer(key.second)]
        ) { $0.integer(0) }
        return Int(count ?? 0)
    }

    // MARK: Hardlink groups

    /// The highest number of a hardlink group that the catalog has; 0 without any.
    package func highestHardlinkGroup() throws(CatalogError) -> UInt32 {
        if let highestGroup { return highestGroup }
        let found = try database.row(of: "SELECT MAX((hardlinks >> 32) & 4294967295) FROM catalog") {
            UInt32(truncatingIfNeeded: $0.integer(0))
        }
        highestGroup = found
        return found ?? 0
    }

    /// A number for a new hardlink group.
    package func makeHardlinkGroup() throws(CatalogError) -> UInt32 {
        let (next, overflows) = try highestHardlinkGroup().addingReportingOverflow(1)
        guard !overflows else { throw tooManyGroups }
        highestGroup = next
        return next
    }

    var tooManyGroups: CatalogError {
        CatalogError(.tooLarge, "\(label) has used up all numbers for groups of hard links")
    }

    /// Takes note of groups that came with rows from another catalog.
    package func raiseHardlinkGroups(to group: UInt32) throws(CatalogError) {
        highestGroup = max(try highestHardlinkGroup(), group)
    }

    // MARK: Nested catalogs

    /// The nested catalogs, or the bind mountpoints, by their paths in the repository.
    package func mountpoints(bound: Bool = false) throws(CatalogError) -> [RepositoryPath: NestedCatalog?] {
        guard !bound || columns.schema.hasBindMountpoints else { return [:] }
        let size = columns.schema.hasSizesOfNestedCatalogs ? "size" : "0"
        let table = bound ? "bind_mountpoints" : "nested_catalogs"
        var found: [RepositoryPath: NestedCatalog?] = [:]
        try database.forEachRow(of: "SELECT path, sha1, \(size) FROM \(table)") { row throws(CatalogError) in
            let bytes = row.bytes(0)
            let path = RepositoryPath(bytes: bytes)
            guard path.bytes == bytes, path != rootPrefix, path.isInside(rootPrefix) else {
                throw CatalogError(
                    .malformedMountpoint,
                    "\(label): a catalog is nested at \"\(String(decoding: bytes.prefix(255), as: UTF8.self))\"")
            }
            guard found.count < CatalogLimits.mountpoints else {
                throw CatalogError(.tooLarge, "\(label) has more than \(CatalogLimits.mountpoints) nested catalogs")
            }
            let text = String(decoding: row.bytes(1).prefix(64), as: UTF8.self)
            let hash = ContentHash(text)
            guard hash != nil || text.isEmpty else {
                throw CatalogError(.malformedMountpoint, "\(label): the catalog nested at \(path) has no hash")
            }
            let size = row.integer(2)
            let catalog = hash.map { (hash: ContentHash) -> NestedCatalog in
                NestedCatalog(path: path, hash: hash, size: size > 0 ? size : nil, isBindMountpoint: bound)
            }
            found.updateValue(catalog, forKey: path)
            return true
        }
        return found
    }

    /// Adds a row for a nested catalog.
    ///
    /// - Parameter catalog: `nil` as long as the catalog is not stored.
    package func addNested(_ path: RepositoryPath, _ catalog: NestedCatalog?) throws(CatalogError) {
        try willChange()
        try database.run(
            "INSERT INTO nested_catalogs (path, sha1, size) VALUES (?, ?, ?)",
            [.text(path.bytes), .text(catalog?.hash.description ?? ""), .integer(catalog?.size ?? 0)])
        updateCounters { own, _ in own.nestedCatalogs &+= 1 }
    }

    package func updateNested(_ path: RepositoryPath, hash: ContentHash, size: Int64) throws(CatalogError) {
        try willChange()
        try database.run(
            "UPDATE nested_catalogs SET sha1 = ?, size = ? WHERE path = ?",
            [.text(hash.description), .integer(size), .text(path.bytes)])
        guard database.changes == 1 else {
            throw CatalogError(.malformedMountpoint, "\(label): no catalog is nested at \(path)")
        }
    }

    package func removeNested(_ path: RepositoryPath) throws(CatalogError) {
        try willChange()
        try database.run("DELETE FROM nested_catalogs WHERE path = ?", [.text(path.bytes)])
        guard database.changes == 1 else {
            throw CatalogError(.malformedMountpoint, "\(label): no catalog is nested at \(path)")
        }
        updateCounters { own, _ in own.nestedCatalogs &-= 1 }
    }

    package func addBindMountpoint(_ catalog: NestedCatalog) throws(CatalogError) {
        try willChange()
        try database.run(
            "INSERT INTO bind_mountpoints (path, sha1, size) VALUES (?, ?, ?)",
            [.text(catalog.path.bytes), .text(catalog.hash.description), .integer(catalog.size ?? 0)])
    }

    package func removeBindMountpoint(_ path: RepositoryPath) throws(CatalogError) {
        try willChange()
        try database.run("DELETE FROM bind_mountpoints WHERE path = ?", [.text(path.bytes)])
    }

    // MARK: Counters and properties

    private func count(_ record: EntryRecord, chunks: Int, times: Int64) {
        updateCounters { own, _ in own.count(record, chunks: chunks, times: times) }
    }

    /// Adds to the counters of the catalogs below.
    package func addToSubtree(_ difference: CatalogStatistics.Counters) throws(CatalogError) {
        try willChange()
        updateCounters { _, subtree in subtree = subtree + difference }
    }

    private func updateCounters(
        _ change: (inout CatalogStatistics.Counters, inout CatalogStatistics.Counters) -> Void
    ) {
        guard let before = stored else { preconditionFailure("unreachable: read before the first change") }
        var (own, subtree) = (before.own, before.subtree)
        change(&own, &subtree)
        stored = CatalogStatistics(own: own, subtree: subtree)
    }

    /// Counts the rows of the catalog itself anew.
    private func recount() throws(CatalogError) {
        var own = CatalogStatistics.Counters()
        try database.forEachRow(of: "SELECT \(selected) FROM catalog") { row throws(CatalogError) in
            own.count(try decode(row).record, chunks: 0, times: 1)
            return true
        }
        own.chunks = try database.row(of: "SELECT COUNT(*) FROM chunks") { $0.integer(0) } ?? 0
        own.nestedCatalogs = try database.row(of: "SELECT COUNT(*) FROM nested_catalogs") { $0.integer(0) } ?? 0
        updateCounters { counters, _ in counters = own }
    }

    private func writeCounters() throws(CatalogError) {
        let statistics = try statistics()
        for (name, counter) in CatalogStatistics.Counters.names {
            for (prefix, counters) in [("self_", statistics.own), ("subtree_", statistics.subtree)] {
                try database.run(
                    "INSERT OR REPLACE INTO statistics (counter, value) VALUES (?, ?)",
                    [.text(prefix + name), .integer(counters[keyPath: counter])])
            }
        }
    }

    package func setProperty(_ key: String, _ value: String) throws(CatalogError) {
        try setProperty(key, Array(value.utf8))
    }

    package func setProperty(_ key: String, _ value: [UInt8]) throws(CatalogError) {
        try willChange()
        try database.run(
            "INSERT OR REPLACE INTO properties (key, value) VALUES (?, ?)", [.text(key), .text(value)])
    }

    /// Says which revision the catalog is, when it was made, and what it succeeds. Source: format 3.3.
    package func setRevision(
        _ revision: UInt64, lastModified: Int64, previous: ContentHash?
    ) throws(CatalogError) {
        try setProperty("revision", String(revision))
        try setProperty("last_modified", String(lastModified))
        try setProperty("previous_revision", previous?.description ?? String(repeating: "0", count: 40))
    }
}

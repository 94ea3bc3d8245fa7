public import CASCore
public import SystemPackage

/// A file catalog: the metadata of one subtree of a repository, in a local SQLite file.
///
/// Nothing is copied into memory: every call is one prepared query on the caller's thread, some microseconds when the
/// file is in the page cache, longer when it comes from the disk. Calls may be made by any number of threads. The file
/// is taken for hostile: whatever is in it, a call ends soon, with well-formed entries or a `CatalogError`.
///
/// ```swift
/// let catalog = try FileCatalog(at: "/var/tmp/catalog.db")
/// let entry = try catalog.entry(at: "/usr/bin/env")
/// ```
///
/// Paths are those of the repository, also in a catalog that is mounted elsewhere than where it was made for.
/// Source: format 3.
public final class FileCatalog: Sendable {
    /// The path that the catalog's root has in the repository.
    public let mountPath: RepositoryPath
    /// The path that its root had when it was made: `properties.rootPrefix`.
    public let rootPrefix: RepositoryPath
    public let properties: CatalogProperties
    public var schema: CatalogSchema { columns.schema }

    let database: Database
    let columns: EntryColumns
    private let mountpointFilter = LazyMountpointFilter()
    /// Most catalogs are mounted where they were made for; then paths need no translation.
    private let isAtHome: Bool

    /// Opens a catalog file.
    ///
    /// - Parameters:
    ///   - path: an uncompressed catalog. It must not change while the catalog is open; its name may go.
    ///   - mountPath: where the catalog is mounted in the repository; where it was made for when left out.
    ///   - options: memory and concurrency.
    /// - Throws: `CatalogError`, when the file cannot be read, is no catalog, or of an unknown schema.
    public convenience init(
        at path: FilePath, mountedAt mountPath: RepositoryPath? = nil, options: CatalogOptions = CatalogOptions()
    ) throws(CatalogError) {
        self.init(try OpenedCatalog(NamedSource.opening(path, kind: "catalog"), options), mountedAt: mountPath)
    }

    /// Opens a catalog that somebody else holds open, as a cache does.
    ///
    /// - Parameters:
    ///   - descriptor: the file, readable with `pread`. It is neither closed nor moved.
    ///   - owner: what keeps the descriptor valid; kept as long as the catalog is.
    ///   - mountPath: where the catalog is mounted in the repository; where it was made for when left out.
    ///   - options: memory and concurrency.
    public convenience init(
        descriptor: FileDescriptor, keeping owner: (any Sendable)?, mountedAt mountPath: RepositoryPath? = nil,
        options: CatalogOptions = CatalogOptions()
    ) throws(CatalogError) {
        let source = try NamedSource.holding(descriptor, owner, kind: "catalog")
        self.init(try OpenedCatalog(source, options), mountedAt: mountPath)
    }

    /// Opens a catalog that a store has, in memory or on disk; it is kept from eviction as long as it is open.
    public convenience init(
        _ object: any StoredObject, mountedAt mountPath: RepositoryPath? = nil,
        options: CatalogOptions = CatalogOptions()
    ) throws(CatalogError) {
        self.init(try OpenedCatalog(NamedSource(object, kind: "catalog"), options), mountedAt: mountPath)
    }

    private init(_ file: OpenedCatalog, mountedAt mountPath: RepositoryPath?) {
        database = file.database
        columns = file.columns
        properties = file.properties
        rootPrefix = file.properties.rootPrefix
        self.mountPath = mountPath ?? rootPrefix
        isAtHome = self.mountPath == rootPrefix
    }

    // MARK: Lookups

    /// The entry of a path; `nil` when the catalog has none.
    ///
    /// What lies below a nested catalog's mountpoint is absent here; see `nestedCatalog(containing:)`.
    /// - Parameter path: a path in the repository, at or below `mountPath`.
    public func entry(at path: RepositoryPath) throws(CatalogError) -> CatalogEntry? {
        // The catalog's root has a name of its own where it is not mounted where it was made for.
        let name = path.bytes.count == mountPath.bytes.count ? nil : path.name
        return try entry(for: try key(of: path), named: name)
    }

    /// The entry with a key of this catalog: of `rootPrefix` and the rest of the path.
    public func entry(for key: PathKey) throws(CatalogError) -> CatalogEntry? { try entry(for: key, named: nil) }

    private func entry(for key: PathKey, named name: FileName?) throws(CatalogError) -> CatalogEntry? {
        try database.query { connection throws(CatalogError) in
            let statement = try connection.statement(.entryByKey, columns)
            defer { statement.reset() }
            statement.bind(key.first, at: 1)
            statement.bind(key.second, at: 2)
            guard try connection.step(statement) else { return nil }
            return try columns.decode(statement, key: key, named: name)
        }
    }

    /// The entry in a row; `nil` when there is none.
    public func entry(rowID: Int64) throws(CatalogError) -> CatalogEntry? {
        try database.query { connection throws(CatalogError) in
            let statement = try connection.statement(.entryByRow, columns)
            defer { statement.reset() }
            statement.bind(rowID, at: 1)
            guard try connection.step(statement) else { return nil }
            return try columns.decodeWithKey(statement)
        }
    }

    /// The entry at `mountPath`: a directory, if it is there.
    public func rootEntry() throws(CatalogError) -> CatalogEntry? { try entry(for: rootPrefix.key) }

    // MARK: Listings

    /// The entries of a directory in the order in which they are stored, at the price of a few hundred of them in
    /// memory.
    ///
    /// A path that is no directory of this catalog has none.
    /// - Parameters:
    ///   - directory: its path in the repository.
    ///   - position: a cursor's `position`, to go on where it stood; by default, the beginning.
    ///   - includingHidden: whether entries are listed that clients do not show.
    public func entries(
        in directory: RepositoryPath, after position: Int64 = .min, includingHidden: Bool = false
    ) throws(CatalogError) -> EntryCursor {
        EntryCursor(
            catalog: self, parent: try key(of: directory), after: position, includingHidden: includingHidden)
    }

    /// The entries of a directory in the order of their names' bytes, at the price of one pass over the directory
    /// before the first, and of its names in memory (40 MiB of them at most; beyond, of more passes).
    ///
    /// - Parameters:
    ///   - directory: its path in the repository.
    ///   - name: the name to go on after; by default, the beginning.
    ///   - includingHidden: whether entries are listed that clients do not show.
    public func entriesByName(
        in directory: RepositoryPath, after name: FileName? = nil, includingHidden: Bool = false
    ) throws(CatalogError) -> NameOrderedCursor {
        NameOrderedCursor(
            catalog: self, parent: try key(of: directory), after: name, includingHidden: includingHidden)
    }

    /// All rows of the catalog in stored order, reachable by a path or not, hidden or not.
    /// - Parameter position: the row to go on after; by default, the beginning.
    public func rows(after position: Int64 = .min) -> RowCursor { RowCursor(catalog: self, after: position) }

    // MARK: Content

    /// The chunks of a chunked file, by offset, without gap or overlap, and in sum as long as the file.
    ///
    /// - Throws: `CatalogError`, with `malformedChunks` if they are not so; also for a file that is not chunked.
    public func chunks(of entry: CatalogEntry) throws(CatalogError) -> [FileChunk] {
        guard entry.isChunked, !schema.isLegacy else {
            throw CatalogError(.malformedChunks, "\(database.label): \"\(entry.name)\" is not in chunks")
        }
        return try database.query { connection throws(CatalogError) in
            try ChunkList.read(connection, columns, of: entry)
        }
    }

    /// The extended attributes of an entry of this catalog; none when the stored ones do not parse.
    public func xattrs(of entry: CatalogEntry) throws(CatalogError) -> ExtendedAttributes {
        guard let blob = try rawXattrs(of: entry) else { return ExtendedAttributes() }
        return ExtendedAttributes(blob: blob) ?? ExtendedAttributes()
    }

    /// The extended attributes as they are stored; `nil` without any.
    public func rawXattrs(of entry: CatalogEntry) throws(CatalogError) -> [UInt8]? {
        guard entry.hasXattrs, schema.hasXattrs else { return nil }
        return try database.query { connection throws(CatalogError) in
            let statement = try connection.statement(.xattrs, columns)
            defer { statement.reset() }
            statement.bind(entry.key.first, at: 1)
            statement.bind(entry.key.second, at: 2)
            guard try connection.step(statement), !statement.isNull(0) else { return nil }
            guard let blob = statement.withBlob(0, { Array($0) }) else {
                throw CatalogError(
                    .malformedEntry, "\(database.label): the xattrs of \"\(entry.name)\" are no blob")
            }
            return blob
        }
    }

    // MARK: Mountpoints

    /// The nested catalog, or the root catalog bound, that is mounted exactly at a path; `nil` when there is none.
    public func nestedCatalog(at path: RepositoryPath) throws(CatalogError) -> NestedCatalog? {
        try MountpointTable(self).find(path)
    }

    /// The nested catalog in which a path is: mounted at the path itself or at a directory above it, the one nearest to
    /// this catalog's root; `nil` when the path belongs to this catalog.
    ///
    /// Costs one pass over the mountpoints the first time, afterwards next to nothing for a path outside them.
    public func nestedCatalog(containing path: RepositoryPath) throws(CatalogError) -> NestedCatalog? {
        let stored = try storedPath(of: path)
        let filter = try mountpointFilter.value { () throws(CatalogError) in try MountpointTable(self).makeFilter() }
        for length in filter.candidates(in: stored, above: rootPrefix.bytes.count) {
            let prefix = RepositoryPath(bytes: path.bytes[..<(path.bytes.count - (stored.count - length))])
            if let nested = try nestedCatalog(at: prefix) { return nested }
        }
        return nil
    }

    /// All nested catalogs and bind mountpoints, sorted by path.
    public func nestedCatalogs() throws(CatalogError) -> [NestedCatalog] { try MountpointTable(self).list() }

    // MARK: Counters

    /// The counters as they are stored, right or wrong.
    public func statistics() throws(CatalogError) -> CatalogStatistics {
        try CatalogStatistics(readFrom: database, schema: schema)
    }

    // MARK: Memory

    /// Bytes of memory that SQLite holds for the catalog: pages, schema and statements.
    public var memoryUsed: Int { database.memoryUsed }

    /// Gives back the memory that can be had again from the file; for a catalog that has not been used for a while.
    public func releaseMemory() { database.releaseMemory() }

    // MARK: Paths

    /// The key of a path's row: of `rootPrefix` and what follows `mountPath`. Source: format 3, bind mountpoints.
    func key(of path: RepositoryPath) throws(CatalogError) -> PathKey {
        let stored = try storedPath(of: path)
        return PathKey(path: stored.span.bytes)
    }

    /// A path as the catalog has it.
    func storedPath(of path: RepositoryPath) throws(CatalogError) -> [UInt8] {
        guard path.isInside(mountPath) else { throw outside(path) }
        return isAtHome ? path.bytes : rootPrefix.bytes + path.bytes[mountPath.bytes.count...]
    }

    /// A path that the catalog has, in the repository; `nil` unless it is below the catalog's root.
    func repositoryPath(ofStored bytes: [UInt8]) -> RepositoryPath? {
        let path = RepositoryPath(bytes: bytes)
        guard path.bytes == bytes, let rest = path.relative(to: rootPrefix), !rest.isRoot else { return nil }
        return isAtHome ? path : mountPath.appending(rest)
    }

    private func outside(_ path: RepositoryPath) -> CatalogError {
        CatalogError(.outsideCatalog, "\(database.label) is mounted at \(mountPath), and does not hold \(path)")
    }
}

internal import CASCore

/// Reads the tables `nested_catalogs` and `bind_mountpoints` of a catalog.
struct MountpointTable {
    private let catalog: FileCatalog

    init(_ catalog: FileCatalog) { self.catalog = catalog }

    func find(_ path: RepositoryPath) throws(CatalogError) -> NestedCatalog? {
        let stored = try catalog.storedPath(of: path)
        if let nested = try find(stored, .nestedCatalog, isBind: false) { return nested }
        return catalog.schema.hasBindMountpoints ? try find(stored, .bindMountpoint, isBind: true) : nil
    }

    private func find(_ stored: [UInt8], _ query: Query, isBind: Bool) throws(CatalogError) -> NestedCatalog? {
        try catalog.database.query { connection throws(CatalogError) in
            let statement = try connection.statement(query, catalog.columns)
            return try connection.row(of: statement, forText: stored) { row throws(CatalogError) in
                try decode(row, isBind: isBind)
            }
        }
    }

    /// All of them, sorted by path.
    func list() throws(CatalogError) -> [NestedCatalog] {
        try forEachTable { sql, isBind throws(CatalogError) in
            try catalog.database.readAll(sql, limit: CatalogLimits.mountpoints) { row throws(CatalogError) in
                try decode(row, isBind: isBind)
            }
        }.sorted { $0.path < $1.path }
    }

    func makeFilter() throws(CatalogError) -> MountpointFilter {
        // Rows that are malformed matter when somebody comes to their path.
        let hashes = try forEachTable { sql, _ throws(CatalogError) in
            try catalog.database.readAll(sql, limit: CatalogLimits.mountpoints) { row throws(CatalogError) in
                MountpointFilter.hash(row.text(0) ?? [])
            }
        }
        return MountpointFilter(hashes)
    }

    private func forEachTable<Row>(
        _ read: (_ sql: String, _ isBind: Bool) throws(CatalogError) -> [Row]
    ) throws(CatalogError) -> [Row] {
        let schema = catalog.schema
        let hash = schema.hasHashesOfNestedCatalogs ? "sha1" : "''"
        let size = schema.hasSizesOfNestedCatalogs ? "size" : "0"
        let nested = try read("SELECT path, \(hash), \(size) FROM nested_catalogs", false)
        guard schema.hasBindMountpoints else { return nested }
        return nested + (try read("SELECT path, sha1, size FROM bind_mountpoints", true))
    }

    private func decode(_ row: Statement, isBind: Bool) throws(CatalogError) -> NestedCatalog {
        let stored = row.text(0) ?? []
        let name = String(decoding: stored.prefix(CatalogLimits.targetBytes), as: UTF8.self)
        func malformed(_ what: String) -> CatalogError {
            CatalogError(.malformedMountpoint, "\(catalog.database.label): the catalog nested at \"\(name)\" \(what)")
        }
        guard catalog.schema.hasHashesOfNestedCatalogs else {
            throw CatalogError(
                .unsupportedSchema,
                "\(catalog.database.label): the catalog nested at \"\(name)\" has no hash: the schema is too old")
        }
        guard let path = catalog.repositoryPath(ofStored: stored) else {
            throw malformed("is not below \(catalog.rootPrefix), where this catalog is")
        }
        let text = String(decoding: (row.text(1) ?? []).prefix(64), as: UTF8.self)
        guard let hash = ContentHash(text) else { throw malformed("has the hash \"\(text)\", which is none") }
        guard row.isNull(2) || row.integer(2).map({ $0 >= 0 }) == true else { throw malformed("has a size below 0") }
        let size = row.integer(2) ?? 0
        return NestedCatalog(path: path, hash: hash, size: size == 0 ? nil : size, isBindMountpoint: isBind)
    }
}

internal import CASCore

/// The queries of a catalog, each prepared once a connection.
enum Query: Int, CaseIterable {
    case entryByKey, entryByRow, page, namesPage, rowsPage, xattrs, chunks, nestedCatalog, bindMountpoint

    /// Pages go on after a row and end with `LIMIT`, so that no statement stays open between two of them. `ORDER BY`
    /// costs nothing: the index of the parents' keys holds the rows of each in this order.
    func sql(_ columns: EntryColumns, _ schema: CatalogSchema) -> String {
        let hash = schema.hasHashesOfNestedCatalogs ? "sha1" : "''"
        let size = schema.hasSizesOfNestedCatalogs ? "size" : "0"
        let keyed = "\(columns.sql), \(EntryColumns.keySQL)"
        return switch self {
        case .entryByKey: "SELECT \(columns.sql) FROM catalog WHERE md5path_1 = ?1 AND md5path_2 = ?2"
        case .entryByRow: "SELECT \(keyed) FROM catalog WHERE rowid = ?1"
        case .page:
            "SELECT \(keyed) FROM catalog WHERE parent_1 = ?1 AND parent_2 = ?2 AND rowid > ?3 ORDER BY rowid LIMIT ?4"
        case .namesPage:
            "SELECT rowid, name, flags FROM catalog WHERE parent_1 = ?1 AND parent_2 = ?2 AND rowid > ?3 "
                + "ORDER BY rowid LIMIT ?4"
        case .rowsPage:
            "SELECT \(keyed), \(EntryColumns.parentSQL) FROM catalog WHERE rowid > ?1 ORDER BY rowid LIMIT ?2"
        case .xattrs: "SELECT xattr FROM catalog WHERE md5path_1 = ?1 AND md5path_2 = ?2"
        case .chunks: "SELECT offset, size, hash FROM chunks WHERE md5path_1 = ?1 AND md5path_2 = ?2"
        case .nestedCatalog: "SELECT path, \(hash), \(size) FROM nested_catalogs WHERE path = ?1"
        case .bindMountpoint: "SELECT path, sha1, size FROM bind_mountpoints WHERE path = ?1"
        }
    }
}

extension Connection {
    /// The prepared statement of a query.
    func statement(_ query: Query, _ columns: EntryColumns) throws(CatalogError) -> Statement {
        try statement(query.rawValue, query.sql(columns, columns.schema))
    }
}

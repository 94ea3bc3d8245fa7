public import CASCore

/// A row of a catalog, with the directory that it claims to be in.
public struct CatalogRow: Sendable, Hashable {
    public let entry: CatalogEntry
    /// The key of the directory above, as the catalog has it; `PathKey.none` for the repository's root.
    public let parent: PathKey
}

/// All rows of a catalog in stored order; see `FileCatalog.rows()`.
public struct RowCursor: Sendable {
    private let catalog: FileCatalog
    private var rows: PagedRows<CatalogRow>

    init(catalog: FileCatalog, after position: Int64 = .min) {
        self.catalog = catalog
        rows = PagedRows(after: position)
    }

    /// The next row; `nil` behind the last.
    ///
    /// A malformed row throws in its place, with `malformedEntry`, and the one behind it follows.
    public mutating func next() throws(CatalogError) -> CatalogRow? {
        try rows.next { [catalog] position throws(CatalogError) in
            try EntryPage.read(.rowsPage, of: catalog, after: position) { statement, position, count in
                statement.bind(position, at: 1)
                statement.bind(count, at: 2)
            } _: { row throws(CatalogError) in
                CatalogRow(entry: try catalog.columns.decodeWithKey(row), parent: try catalog.columns.parent(row))
            }
        }
    }
}

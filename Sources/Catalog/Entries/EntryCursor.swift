internal import CASCore

/// The entries of a directory in stored order, read some hundreds at a time; see `FileCatalog.entries(in:)`.
///
/// A copy goes on by itself from where it was copied.
public struct EntryCursor: Sendable {
    /// The row of the last entry given out: what `FileCatalog.entries(in:after:)` goes on after.
    public private(set) var position: Int64

    private let catalog: FileCatalog
    private let parent: PathKey
    private let includesHidden: Bool
    private var rows: PagedRows<CatalogEntry>

    init(catalog: FileCatalog, parent: PathKey, after position: Int64, includingHidden: Bool) {
        self.catalog = catalog
        self.parent = parent
        self.position = position
        includesHidden = includingHidden
        rows = PagedRows(after: position)
    }

    /// The next entry; `nil` behind the last.
    ///
    /// A malformed entry throws in its place, with `malformedEntry`, and the one behind it follows.
    public mutating func next() throws(CatalogError) -> CatalogEntry? {
        let entry = try rows.next { [catalog, parent, includesHidden] position throws(CatalogError) in
            try EntryPage.read(.page, of: catalog, after: position) { statement, position, count in
                statement.bind(parent.first, at: 1)
                statement.bind(parent.second, at: 2)
                statement.bind(position, at: 3)
                statement.bind(count, at: 4)
            } _: { row throws(CatalogError) in
                let entry = try catalog.columns.decodeListed(row)
                return entry.isHidden && !includesHidden ? nil : entry
            }
        }
        if let entry { position = entry.rowID }
        return entry
    }
}

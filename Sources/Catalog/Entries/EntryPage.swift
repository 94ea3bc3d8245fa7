internal import CASCore

/// Some rows of a query that is read page by page.
struct EntryPage<Row: Sendable>: Sendable {
    var rows: [Row] = []
    /// The number of the last row that was looked at.
    var position: Int64
    /// Why the row at `position` could not be read; the rows before it are in `rows`, those behind it follow.
    var failure: CatalogError?
    /// Whether no row follows.
    var isLast = false

    /// Reads the rows that follow `position`.
    ///
    /// - Parameters:
    ///   - bind: gives the query its parameters: the position, and the number of rows it is to give.
    ///   - decode: `nil` for a row that is to be left out.
    static func read(
        _ query: Query, of catalog: FileCatalog, after position: Int64,
        _ bind: (Statement, _ position: Int64, _ count: Int64) -> Void,
        _ decode: (Statement) throws(CatalogError) -> Row?
    ) throws(CatalogError) -> EntryPage {
        try catalog.database.query { connection throws(CatalogError) in
            let statement = try connection.statement(query, catalog.columns)
            defer { statement.reset() }
            bind(statement, position, Int64(CatalogLimits.pageRows))
            var page = EntryPage(position: position)
            for _ in 0..<CatalogLimits.pageRows {
                guard try connection.step(statement) else {
                    page.isLast = true
                    break
                }
                // A broken tree can give rows again and again.
                guard let row = EntryColumns.rowID(statement), row > page.position else {
                    throw CatalogError(.corrupt, "\(catalog.database.label) is corrupt: its rows are out of order")
                }
                page.position = row
                do throws(CatalogError) {
                    if let row = try decode(statement) { page.rows.append(row) }
                } catch {
                    page.failure = error
                    break
                }
            }
            return page
        }
    }
}

/// Gives out the rows of a query one by one, and reads the next page when it has none left.
struct PagedRows<Row: Sendable>: Sendable {
    private var page: EntryPage<Row>
    private var next = 0
    private var isOver = false

    init(after position: Int64) { page = EntryPage(position: position) }

    /// The next row; `nil` behind the last one.
    ///
    /// A malformed row throws, and the one behind it follows. What makes a page unreadable ends the rows.
    mutating func next(
        _ read: (_ position: Int64) throws(CatalogError) -> EntryPage<Row>
    ) throws(CatalogError) -> Row? {
        while true {
            if next < page.rows.count {
                next += 1
                return page.rows[next - 1]
            }
            if let failure = page.failure {
                page.failure = nil
                throw failure
            }
            if isOver || page.isLast { return nil }
            do throws(CatalogError) {
                page = try read(page.position)
                next = 0
            } catch {
                isOver = true
                throw error
            }
        }
    }
}

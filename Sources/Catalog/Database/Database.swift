internal import CASCore
internal import SystemPackage

/// An SQLite file of the formats: opened, its header and tables checked, its properties read.
final class Database: Sendable {
    /// What error messages call the file.
    let label: String
    let properties: Properties
    /// The checked tables by their lower-case names, with the statements that made them.
    let tables: [String: String]
    private let connections: ConnectionPool
    private let sharesBudget: Bool
    /// Steps that a query over a whole table may take: for a row that is as short as a row can be.
    private let stepsOfScan: Int64

    /// - Parameters:
    ///   - tables: tables that are used; each must be a real table where it exists.
    ///   - required: those that must exist.
    ///   - statements: how many different queries will be prepared.
    init(
        _ source: NamedSource, tables: Set<String>, required: Set<String>, statements: Int, options: CatalogOptions
    ) throws(CatalogError) {
        let (source, label) = (source.source, source.label)
        self.label = label
        try DatabaseHeader.check(source, named: label)
        let connection = try Connection(
            to: source, label: label, cache: PageCache(bytes: options.cacheBytes), statements: statements)
        self.tables = try TableCheck(used: tables.union(["properties"]), required: required.union(["properties"]))
            .check(connection)
        properties = try Properties(readFrom: connection)
        stepsOfScan = CatalogLimits.stepsOfQuery + source.size
        connections = ConnectionPool(connection, limit: options.connections) { () throws(CatalogError) in
            let cache = PageCache(bytes: options.cacheBytes, part: 4)
            return try Connection(to: source, label: label, cache: cache, statements: statements)
        }
        sharesBudget = options.cacheBytes == nil
        if sharesBudget { PageCacheBudget.join() }
    }

    deinit { if sharesBudget { PageCacheBudget.leave() } }

    /// Runs a query by key, or one that reads a page of rows, on a connection of its own.
    @inline(__always)
    func query<Result: Sendable>(
        _ body: (Connection) throws(CatalogError) -> Result
    ) throws(CatalogError) -> Result {
        try connections.withConnection { connection throws(CatalogError) in
            try connection.begin(steps: CatalogLimits.stepsOfQuery)
            return try body(connection)
        }
    }

    /// Reads all rows of a small table.
    func readAll<Row: Sendable>(
        _ sql: String, limit: Int, _ decode: (Statement) throws(CatalogError) -> Row
    ) throws(CatalogError) -> [Row] {
        try connections.withConnection { connection throws(CatalogError) in
            try connection.begin(steps: stepsOfScan)
            var rows: [Row] = []
            try connection.forEachRow(of: sql) { statement throws(CatalogError) in
                guard rows.count < limit else {
                    throw CatalogError(.tooLarge, "\(label): more than \(limit) rows in one table")
                }
                rows.append(try decode(statement))
                return true
            }
            return rows
        }
    }

    /// Bytes of memory that SQLite holds for this file.
    var memoryUsed: Int {
        var bytes = 0
        connections.forEach { bytes += $0.memoryUsed }
        return bytes
    }

    func releaseMemory() { connections.releaseMemory() }
}

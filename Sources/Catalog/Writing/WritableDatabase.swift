internal import CSQLite

/// A value as SQLite keeps it.
package enum SQLValue: Sendable, Hashable {
    case null
    case integer(Int64)
    case real(Double)
    case text([UInt8])
    case blob([UInt8])

    package static func text(_ text: String) -> SQLValue { .text(Array(text.utf8)) }
}

/// An SQLite file of our own that is being written: a catalog, a history, an index.
///
/// It belongs to one task at a time, and its calls block for the disk. Nothing of it is durable: what it makes is
/// thrown away unless it is finished, hashed and stored as an object (or, an index, rebuilt).
package final class WritableDatabase {
    /// What error messages call the file.
    package let label: String
    private let handle: OpaquePointer
    private var statements: [String: OpaquePointer] = [:]

    /// - Parameters:
    ///   - path: the file; made when it is not there.
    ///   - pageSize: of a new file, in bytes; the reference's catalogs have 1024.
    ///   - cacheBytes: how much of the file's pages to keep in memory.
    package init(at path: String, label: String, pageSize: Int = 1024, cacheBytes: Int = 16 << 20) throws(CatalogError)
    {
        self.label = label
        var opened: OpaquePointer?
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        let result = sqlite3_open_v2(path, &opened, flags, nil)
        guard result == SQLITE_OK, let opened else {
            sqlite3_close(opened)
            throw CatalogError(.io, "\(label): \(path) cannot be opened for writing (SQLite: \(result))")
        }
        handle = opened
        try run("PRAGMA page_size=\(pageSize); PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF")
        try run("PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-\(cacheBytes >> 10); PRAGMA temp_store=MEMORY")
        distrust()
    }

    /// The file may be another writer's: nothing in it may do more than hold rows.
    private func distrust() {
        for (option, value): (Int32, Int32) in [
            (SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0), (SQLITE_DBCONFIG_WRITABLE_SCHEMA, 0),
            (SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0), (SQLITE_DBCONFIG_ENABLE_TRIGGER, 0),
            (SQLITE_DBCONFIG_ENABLE_VIEW, 0),
        ] {
            _ = csqlite_configure(handle, option, value)
        }
    }

    deinit {
        for statement in statements.values { sqlite3_finalize(statement) }
        sqlite3_close_v2(handle)
    }

    /// Runs SQL without parameters, one or more statements.
    package func run(_ sql: String) throws(CatalogError) {
        let result = sqlite3_exec(handle, sql, nil, nil, nil)
        guard result == SQLITE_OK else { throw failure(result, sql) }
    }

    /// Runs one statement with values for its `?` in order. It is prepared once.
    package func run(_ sql: String, _ values: [SQLValue]) throws(CatalogError) {
        _ = try row(of: sql, values) { _ in }
    }

    /// How many rows the last statement has changed.
    package var changes: Int { Int(sqlite3_changes(handle)) }

    /// Runs one query and decodes its first row; `nil` when there is none.
    package func row<Row>(
        of sql: String, _ values: [SQLValue] = [], _ decode: (SQLRow) throws(CatalogError) -> Row
    ) throws(CatalogError) -> Row? {
        var found: Row?
        try forEachRow(of: sql, values) { row throws(CatalogError) in
            found = try decode(row)
            return false
        }
        return found
    }

    /// Runs one query and gives every row to `body` until that returns false.
    ///
    /// The statement is busy meanwhile: `body` must not run the same SQL.
    package func forEachRow(
        of sql: String, _ values: [SQLValue] = [], _ body: (SQLRow) throws(CatalogError) -> Bool
    ) throws(CatalogError) {
        let statement = try prepared(sql)
        defer {
            sqlite3_reset(statement)
            sqlite3_clear_bindings(statement)
        }
        for (index, value) in values.enumerated() { bind(value, to: statement, at: Int32(index + 1)) }
        while true {
            let result = sqlite3_step(statement)
            if result == SQLITE_DONE { return }
            guard result == SQLITE_ROW else { throw failure(result, sql) }
            guard try body(SQLRow(statement: statement)) else { return }
        }
    }

    private func bind(_ value: SQLValue, to statement: OpaquePointer, at position: Int32) {
        switch value {
        case .null: sqlite3_bind_null(statement, position)
        case .integer(let number): sqlite3_bind_int64(statement, position, number)
        case .real(let number): sqlite3_bind_double(statement, position, number)
        // An empty array may have no address, which would bind NULL.
        case .text(let bytes) where bytes.isEmpty: sqlite3_bind_text(statement, position, "", 0, nil)
        case .blob(let bytes) where bytes.isEmpty: sqlite3_bind_zeroblob(statement, position, 0)
        case .text(let bytes):
            _ = bytes.withUnsafeBytes {
                let start = $0.baseAddress?.assumingMemoryBound(to: CChar.self)
                return sqlite3_bind_text(statement, position, start, Int32($0.count), copying)
            }
        case .blob(let bytes):
            _ = bytes.withUnsafeBytes {
                sqlite3_bind_blob(statement, position, $0.baseAddress, Int32($0.count), copying)
            }
        }
    }

    private func prepared(_ sql: String) throws(CatalogError) -> OpaquePointer {
        if let statement = statements[sql] { return statement }
        var made: OpaquePointer?
        let result = sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &made, nil)
        guard result == SQLITE_OK, let made else { throw failure(result, sql) }
        statements[sql] = made
        return made
    }

    private func failure(_ result: Int32, _ sql: String) -> CatalogError {
        let text = String(cString: sqlite3_errmsg(handle))
        switch result & 0xFF {
        case SQLITE_FULL: return CatalogError(.io, "\(label) cannot be written: the disk is full")
        case SQLITE_IOERR, SQLITE_CANTOPEN, SQLITE_READONLY:
            return CatalogError(.io, "\(label) cannot be written (SQLite: \(text), \(result))")
        case SQLITE_NOMEM: return CatalogError(.system, "\(label): no memory for SQLite")
        default: return CatalogError(.corrupt, "\(label): \(text) (\(result)) in: \(sql.prefix(120))")
        }
    }

    /// SQLITE_TRANSIENT, a macro that Swift does not see: SQLite copies the bytes.
    private var copying: sqlite3_destructor_type { unsafeBitCast(-1, to: sqlite3_destructor_type.self) }
}

/// The row that a query of a `WritableDatabase` is at; columns count from 0.
package struct SQLRow {
    fileprivate let statement: OpaquePointer

    /// The same row for what decodes the rows of `Connection`.
    var decodable: Statement { Statement(handle: statement) }

    package func isNull(_ column: Int32) -> Bool { sqlite3_column_type(statement, column) == SQLITE_NULL }

    package func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(statement, column) }

    /// The bytes of a text or a blob; empty for NULL.
    package func bytes(_ column: Int32) -> [UInt8] {
        let start = sqlite3_column_blob(statement, column)
        return Array(UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(statement, column))))
    }
}

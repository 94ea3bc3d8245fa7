internal import CSQLite

/// A value as SQLite keeps it; whatever one wants to put into a column, right or wrong.
public enum DatabaseValue: Sendable, Hashable {
    case null
    case integer(Int64)
    case real(Double)
    case text([UInt8])
    case blob([UInt8])

    public static func text(_ text: String) -> DatabaseValue { .text(Array(text.utf8)) }
}

/// What SQLite says when a database cannot be made.
public struct DatabaseMakerError: Error, CustomStringConvertible {
    public let description: String
}

/// Makes an SQLite file, statement by statement.
public final class DatabaseMaker {
    private let handle: OpaquePointer
    private var statements: [String: OpaquePointer] = [:]

    /// - Parameters:
    ///   - path: a file that is not there yet.
    ///   - pageSize: 1024, as the reference has it, unless a test wants another.
    public init(at path: String, pageSize: Int = 1024) throws {
        var opened: OpaquePointer?
        let result = sqlite3_open_v2(path, &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nil)
        guard result == SQLITE_OK, let opened else {
            sqlite3_close(opened)
            throw DatabaseMakerError(description: "cannot make \(path) (\(result))")
        }
        handle = opened
        try run("PRAGMA page_size=\(pageSize); PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF")
        try run("PRAGMA cache_size=-65536")
    }

    deinit {
        for statement in statements.values { sqlite3_finalize(statement) }
        sqlite3_close_v2(handle)
    }

    /// Runs SQL without parameters, one or more statements.
    public func run(_ sql: String) throws {
        guard sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK else { throw failure(sql) }
    }

    /// Runs one statement with values for its `?` in order. It is prepared once.
    public func run(_ sql: String, _ values: [DatabaseValue]) throws {
        let statement = try prepared(sql)
        for (index, value) in values.enumerated() {
            let position = Int32(index + 1)
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
        let result = sqlite3_step(statement)
        sqlite3_reset(statement)
        guard result == SQLITE_DONE || result == SQLITE_ROW else { throw failure(sql) }
    }

    private func prepared(_ sql: String) throws -> OpaquePointer {
        if let statement = statements[sql] { return statement }
        var made: OpaquePointer?
        guard sqlite3_prepare_v2(handle, sql, -1, &made, nil) == SQLITE_OK, let made else { throw failure(sql) }
        statements[sql] = made
        return made
    }

    private func failure(_ sql: String) -> DatabaseMakerError {
        DatabaseMakerError(description: "\(String(cString: sqlite3_errmsg(handle))) in: \(sql.prefix(200))")
    }

    /// SQLITE_TRANSIENT, a macro that Swift does not see: SQLite copies the bytes.
    private var copying: sqlite3_destructor_type { unsafeBitCast(-1, to: sqlite3_destructor_type.self) }
}

internal import CSQLite

/// One SQLite connection with its prepared statements: read-only, and distrustful of the file.
///
/// Owns every C handle of it.
///
/// `@unchecked`: SQLite lets a connection be used by any thread, but by one at a time; `ConnectionPool` lends it out
/// under a lock, and nobody keeps a reference to it or to its statements beyond the loan.
final class Connection: @unchecked Sendable {
    /// What error messages call the file.
    let label: String
    private let file: SourceFile
    private let handle: OpaquePointer
    private let cache: PageCache
    private var cacheBound = 0
    /// In memory of its own: an array would cost a check for exclusive access with every query.
    private let statements: UnsafeMutableBufferPointer<Statement?>
    /// What the progress handler counts down; it must stay where it is.
    private let stepsLeft: UnsafeMutablePointer<Int64>

    /// How often the progress handler is called.
    private static let stepsBetweenChecks: Int64 = 256

    /// - Parameters:
    ///   - cache: how much of the file's pages to keep in memory.
    ///   - statements: how many different queries will be prepared.
    init(to source: any DatabaseSource, label: String, cache: PageCache, statements: Int) throws(CatalogError) {
        guard SourceFileSystem.registration == SQLITE_OK else {
            throw CatalogError(.system, "this process' SQLite cannot be used: it is built without threads")
        }
        self.label = label
        self.cache = cache
        let file = SourceFile(source)
        self.file = file
        var opened: OpaquePointer?
        let flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        let result = SourceFileSystem.withName(of: file) {
            sqlite3_open_v2($0, &opened, flags, SourceFileSystem.name)
        }
        guard result == SQLITE_OK, let opened else {
            sqlite3_close(opened)
            throw Self.failure(result, "opening", file: file, label: label)
        }
        handle = opened
        self.statements = .allocate(capacity: statements)
        self.statements.initialize(repeating: nil)
        stepsLeft = .allocate(capacity: 1)
        stepsLeft.initialize(to: 0)
        distrust()
        allow(steps: CatalogLimits.stepsToOpen)
        try set("PRAGMA cell_size_check=ON")
        try boundCache()
        // The file never changes, so one transaction lasts as long as the connection: beginning and ending one with
        // every query costs a tenth of it.
        try set("BEGIN")
    }

    deinit {
        for statement in statements { statement?.finalize() }
        statements.deallocate()
        sqlite3_close(handle)
        stepsLeft.deallocate()
    }

    /// Switches off whatever lets a file run code or take memory without end.
    private func distrust() {
        for (option, value): (Int32, Int32) in [
            (SQLITE_DBCONFIG_DEFENSIVE, 1), (SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0), (SQLITE_DBCONFIG_WRITABLE_SCHEMA, 0),
            (SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0), (SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, 0),
            (SQLITE_DBCONFIG_ENABLE_TRIGGER, 0), (SQLITE_DBCONFIG_ENABLE_VIEW, 0),
        ] {
            _ = csqlite_configure(handle, option, value)
        }
        for (limit, value): (Int32, Int) in [
            (SQLITE_LIMIT_LENGTH, CatalogLimits.rowBytes),
            (SQLITE_LIMIT_SQL_LENGTH, CatalogLimits.schemaStatementBytes),
            (SQLITE_LIMIT_COLUMN, 128), (SQLITE_LIMIT_EXPR_DEPTH, 16), (SQLITE_LIMIT_COMPOUND_SELECT, 2),
            (SQLITE_LIMIT_VDBE_OP, 10_000), (SQLITE_LIMIT_FUNCTION_ARG, 8), (SQLITE_LIMIT_ATTACHED, 0),
            (SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 64), (SQLITE_LIMIT_VARIABLE_NUMBER, 16),
            (SQLITE_LIMIT_TRIGGER_DEPTH, 1), (SQLITE_LIMIT_WORKER_THREADS, 0),
        ] {
            sqlite3_limit(handle, limit, Int32(value))
        }
        sqlite3_progress_handler(
            handle, Int32(Self.stepsBetweenChecks),
            { stepsLeft in
                guard let stepsLeft = stepsLeft?.assumingMemoryBound(to: Int64.self) else { return 1 }
                stepsLeft.pointee -= Connection.stepsBetweenChecks
                return stepsLeft.pointee < 0 ? 1 : 0
            }, stepsLeft)
    }

    /// Sets how many steps of SQLite's virtual machine the coming queries may take together.
    func allow(steps: Int64) { stepsLeft.pointee = steps }

    /// Prepares for some queries of one caller.
    @inline(__always)
    func begin(steps: Int64) throws(CatalogError) {
        allow(steps: steps)
        if cache.bound != cacheBound { try boundCache() }
    }

    /// Bounds the pages that are kept, and gives back what is above.
    private func boundCache() throws(CatalogError) {
        cacheBound = cache.bound
        try set("PRAGMA cache_size=-\(cacheBound >> 10)")
    }

    private func set(_ pragma: String) throws(CatalogError) {
        let result = sqlite3_exec(handle, pragma, nil, nil, nil)
        guard result == SQLITE_OK else { throw failure(result) }
    }

    // MARK: Queries

    /// The statement of a query, prepared on first use and kept.
    /// - Parameter index: the query's number, below the count given to `init`.
    func statement(_ index: Int, _ sql: @autoclosure () -> String) throws(CatalogError) -> Statement {
        if let statement = statements[index] { return statement }
        let statement = try prepare(sql(), flags: UInt32(SQLITE_PREPARE_PERSISTENT))
        statements[index] = statement
        return statement
    }

    /// Runs a query that is needed once, and gives every row to `body` until it returns false.
    func forEachRow(of sql: String, _ body: (Statement) throws(CatalogError) -> Bool) throws(CatalogError) {
        let statement = try prepare(sql, flags: 0)
        defer { statement.finalize() }
        while try step(statement) {
            guard try body(statement) else { break }
        }
    }

    /// The first row that a query gives for a text, if its first column has just these bytes: a column may compare
    /// otherwise than by bytes.
    func row<Row>(
        of statement: Statement, forText text: [UInt8], _ decode: (Statement) throws(CatalogError) -> Row
    ) throws(CatalogError) -> Row? {
        // The statement borrows the text until it is reset.
        let found: Result<Row?, CatalogError> = text.withUnsafeBytes { bytes in
            statement.bind(text: bytes, at: 1)
            defer { statement.reset() }
            do throws(CatalogError) {
                guard try step(statement), statement.text(0) == text else { return .success(nil) }
                return .success(try decode(statement))
            } catch {
                return .failure(error)
            }
        }
        return try found.get()
    }

    /// Goes to the next row; false when there is none.
    func step(_ statement: Statement) throws(CatalogError) -> Bool {
        let result = sqlite3_step(statement.handle)
        if result == SQLITE_ROW { return true }
        if result == SQLITE_DONE { return false }
        throw failure(result)
    }

    private func prepare(_ sql: String, flags: UInt32) throws(CatalogError) -> Statement {
        var prepared: OpaquePointer?
        let result = sqlite3_prepare_v3(handle, sql, -1, flags | UInt32(SQLITE_PREPARE_NO_VTAB), &prepared, nil)
        guard result == SQLITE_OK, let prepared else { throw failure(result) }
        return Statement(handle: prepared)
    }

    // MARK: Memory

    /// Bytes of memory that SQLite holds for this connection.
    var memoryUsed: Int {
        [SQLITE_DBSTATUS_CACHE_USED, SQLITE_DBSTATUS_SCHEMA_USED, SQLITE_DBSTATUS_STMT_USED].reduce(0) {
            var current: Int32 = 0
            var highest: Int32 = 0
            sqlite3_db_status(handle, $1, &current, &highest, 0)
            return $0 + Int(current)
        }
    }

    /// Gives back the pages that are kept.
    func releaseMemory() { sqlite3_db_release_memory(handle) }

    // MARK: Failures

    private func failure(_ result: Int32) -> CatalogError {
        Self.failure(result, String(cString: sqlite3_errmsg(handle)), file: file, label: label)
    }

    private static func failure(_ result: Int32, _ text: String, file: SourceFile, label: String) -> CatalogError {
        let cause = file.takeFailure()
        switch result & 0xFF {
        case SQLITE_NOTADB:
            return CatalogError(.notADatabase, "\(label) is no SQLite database; fetch it again")
        case SQLITE_IOERR:
            let code = (cause as? CatalogError)?.code ?? .io
            return CatalogError(code, "\(label) cannot be read", cause: cause)
        case SQLITE_INTERRUPT:
            return CatalogError(
                .interrupted, "\(label): a query took too many steps: an index is missing, or the file is hostile")
        case SQLITE_TOOBIG:
            return CatalogError(.tooLarge, "\(label) holds a value of more than \(CatalogLimits.rowBytes) bytes")
        case SQLITE_NOMEM:
            return CatalogError(.system, "\(label): no memory for SQLite")
        case SQLITE_ERROR where text.hasPrefix("no such column"):
            return CatalogError(.missingColumn, "\(label) does not have its schema's columns: \(text)")
        case SQLITE_ERROR where text.hasPrefix("no such table"):
            return CatalogError(.missingTable, "\(label) does not have its schema's tables: \(text)")
        default:
            return CatalogError(.corrupt, "\(label) is corrupt (SQLite: \(text), \(result)); fetch it again")
        }
    }
}

/// A prepared statement; its connection owns it. The values of a row are valid until the next step or reset.
struct Statement {
    fileprivate let handle: OpaquePointer

    init(handle: OpaquePointer) { self.handle = handle }

    fileprivate func finalize() { sqlite3_finalize(handle) }

    /// Ends the query, so that its pages can be reused.
    func reset() { sqlite3_reset(handle) }

    // MARK: Parameters

    /// - Parameter index: from 1.
    func bind(_ value: Int64, at index: Int32) { sqlite3_bind_int64(handle, index, value) }

    /// Binds text that stays in place until the query is reset.
    func bind(text: UnsafeRawBufferPointer, at index: Int32) {
        // An empty buffer may have no address, which would bind NULL.
        guard let address = text.baseAddress, !text.isEmpty else {
            sqlite3_bind_text(handle, index, "", 0, nil)
            return
        }
        sqlite3_bind_text(handle, index, address.assumingMemoryBound(to: CChar.self), Int32(clamping: text.count), nil)
    }

    // MARK: Values, by column from 0

    /// A value of the current row.
    ///
    /// SQLite warns that a column's value is "unprotected", which matters to connections with a mutex; ours have none.
    @inline(__always)
    func value(_ column: Int32) -> Value { Value(handle: sqlite3_column_value(handle, column)) }

    /// The value of a column that holds an integer; `nil` for any other type.
    @inline(__always)
    func integer(_ column: Int32) -> Int64? { value(column).integer }

    func isNull(_ column: Int32) -> Bool { value(column).isNull }

    /// The bytes of a column that holds text, up to the first NUL as the reference reads it; `nil` for any other type.
    /// Source: format 3, name and symlink.
    func text(_ column: Int32) -> [UInt8]? { value(column).withText { Array($0) } }

    /// Calls `body` with the bytes of a column that holds a blob; `nil` for any other type.
    func withBlob<Result>(_ column: Int32, _ body: (UnsafeRawBufferPointer) -> Result) -> Result? {
        value(column).withBlob(body)
    }
}

/// A value of a statement's current row.
struct Value {
    fileprivate let handle: OpaquePointer?

    @inline(__always)
    var integer: Int64? { sqlite3_value_type(handle) == SQLITE_INTEGER ? sqlite3_value_int64(handle) : nil }

    @inline(__always)
    var isNull: Bool { sqlite3_value_type(handle) == SQLITE_NULL }

    /// Calls `body` with the bytes of a text up to its first NUL; `nil` for any other type.
    @inline(__always)
    func withText<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result? {
        guard sqlite3_value_type(handle) == SQLITE_TEXT else { return nil }
        let bytes = self.bytes
        var length = 0
        while length < bytes.count, bytes[length] != 0 { length += 1 }
        return body(UnsafeRawBufferPointer(rebasing: bytes[..<length]))
    }

    /// Calls `body` with the bytes of a blob; `nil` for any other type.
    @inline(__always)
    func withBlob<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result? {
        sqlite3_value_type(handle) == SQLITE_BLOB ? body(bytes) : nil
    }

    private var bytes: UnsafeRawBufferPointer {
        let start = sqlite3_value_blob(handle)
        return UnsafeRawBufferPointer(start: start, count: Int(sqlite3_value_bytes(handle)))
    }
}

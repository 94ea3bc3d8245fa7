internal import CASCore
internal import Catalog
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// An SQLite file of what was learned, that nothing depends on: it may be deleted, damaged, of another version or of
/// another repository at any time. What cannot be read is thrown away and begun anew; what cannot be written is done
/// without.
final class IndexFile: Sendable {
    /// Inserts after which a transaction ends.
    private static let batch = 4096
    private static let version: Int64 = 2

    private struct State: ~Copyable {
        var database: WritableDatabase?
        var pending = 0
    }

    /// Where it is; `nil` when it is gone with its owner.
    private let path: String?
    private let schema: String
    private let state: Mutex<State>

    /// - Parameters:
    ///   - path: the file; nobody else may have it open. `nil` for a temporary one.
    ///   - schema: SQL that makes its tables.
    init(at path: String?, schema: String) {
        self.path = path
        self.schema = schema
        state = Mutex(State(database: Self.open(path, schema)))
    }

    deinit { commit() }

    /// Looks something up or writes something; `nil` when the file is of no use.
    func use<Result: Sendable>(
        writes: Bool = false, _ body: (WritableDatabase) throws(CatalogError) -> Result?
    ) -> Result? {
        state.withLock { state in
            guard let database = state.database else { return nil }
            do throws(CatalogError) {
                if writes, state.pending == 0 { try database.run("BEGIN") }
                if writes { state.pending += 1 }
                let result = try body(database)
                if state.pending >= Self.batch {
                    state.pending = 0
                    try database.run("COMMIT")
                }
                return result
            } catch {
                state.pending = 0
                state.database = nil
                // The disk may be full; then nothing would be won by another try.
                if error.code != .io { state.database = Self.renewed(path, schema) }
                return nil
            }
        }
    }

    /// Writes down what was learned since.
    func commit() {
        state.withLock { state in
            guard state.pending > 0, let database = state.database else { return }
            state.pending = 0
            do throws(CatalogError) { try database.run("COMMIT") } catch { state.database = nil }
        }
    }

    private static func open(_ path: String?, _ schema: String) -> WritableDatabase? {
        if let path {
            var status = stat()
            if stat(path, &status) == 0, Int64(status.st_size) <= PipelineLimits.indexBytes,
                let database = try? opened(path, schema)
            {
                return database
            }
        }
        return renewed(path, schema)
    }

    private static func renewed(_ path: String?, _ schema: String) -> WritableDatabase? {
        if let path {
            unlink(path)
            unlink("\(path)-journal")
            if let database = try? opened(path, schema) { return database }
        }
        // SQLite keeps a file without a name among the system's temporary ones.
        return try? opened("", schema)
    }

    private static func opened(_ path: String, _ schema: String) throws(CatalogError) -> WritableDatabase {
        let label = path.isEmpty ? "a temporary index" : "index \(path)"
        let database = try WritableDatabase(at: path, label: label, pageSize: 4096, cacheBytes: 8 << 20)
        // With a journal a killed process leaves a whole file behind. After a power failure it may be damaged, and is
        // then thrown away.
        try database.run("PRAGMA journal_mode=TRUNCATE")
        let found = try database.row(of: "PRAGMA user_version") { $0.integer(0) }
        if found != version {
            guard found == 0 else { throw CatalogError(.unsupportedSchema, "\(label): has version \(found ?? 0)") }
            try database.run("BEGIN; \(schema); PRAGMA user_version=\(version); COMMIT")
        }
        return database
    }
}

// Asks a SQLite database that lies in an image, in place: without FUSE, without a copy, and of a large database only the
// chunks are fetched that hold the pages which the query touches.
//
//     query-in-place URL KEYS CACHE DATABASE SQL

import CSQLite3
import CVMFS
import Foundation
import Synchronization

@main
struct QueryInPlace {
    static func main() async {
        let arguments = CommandLine.arguments
        guard arguments.count == 6 else {
            complain("usage: query-in-place URL KEYS CACHE DATABASE SQL")
            exit(64)
        }
        do {
            let name = String(arguments[1].split(separator: "/").last ?? "")
            let repository = try await Repository.open(
                name, from: [arguments[1]], trusting: .masterKeys(in: FilePath(arguments[2])),
                cache: DiskStore(at: FilePath(arguments[3])))
            let image = try await repository.snapshot().image()
            let files = ImageFileSystem(image)
            files.register()
            let size = try await image.file(ImagePath(arguments[4])).size
            let before = repository.totals.bytes
            // SQLite blocks: on a thread of its own.
            let (path, sql) = (arguments[4], arguments[5])
            let failure = await withCheckedContinuation { continuation in
                Thread { continuation.resume(returning: query(path, sql)) }.start()
            }
            if let failure {
                complain("query-in-place: \(failure)")
                exit(1)
            }
            let fetched = repository.totals.bytes - before
            complain(
                "SQLite read \(share(files.bytesRead.load(ordering: .relaxed), of: size)) of the database, "
                    + "\(share(fetched, of: size)) were fetched")
        } catch {
            complain("query-in-place: \(error)")
            exit(1)
        }
    }

    /// Prints the rows, columns separated by `|`. Returns what went wrong.
    static func query(_ path: String, _ sql: String) -> String? {
        var database: OpaquePointer?
        defer { sqlite3_close(database) }
        let flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_URI
        let uri = "file:\(path)?immutable=1"
        guard sqlite3_open_v2(uri, &database, flags, ImageFileSystem.name) == SQLITE_OK else {
            return "\(path) cannot be opened: \(String(cString: sqlite3_errmsg(database)))"
        }
        var statement: OpaquePointer?
        defer { sqlite3_finalize(statement) }
        guard sqlite3_prepare_v2(database, sql, -1, &statement, nil) == SQLITE_OK else {
            return String(cString: sqlite3_errmsg(database))
        }
        while true {
            switch sqlite3_step(statement) {
            case SQLITE_ROW:
                let columns = (0..<sqlite3_column_count(statement)).map { column in
                    sqlite3_column_text(statement, column).map { String(cString: $0) } ?? ""
                }
                print(columns.joined(separator: "|"))
            case SQLITE_DONE: return nil
            default: return String(cString: sqlite3_errmsg(database))
            }
        }
    }

    /// Roughly, so that it does not depend on SQLite's version.
    static func share(_ part: Int64, of whole: Int64) -> String {
        let percent = Double(part) / Double(max(1, whole)) * 100
        return percent < 50 ? "less than half" : "\(Int(percent)) %"
    }

    static func complain(_ text: String) { FileHandle.standardError.write(Data("\(text)\n".utf8)) }
}

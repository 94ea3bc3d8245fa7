import CASCore
import Catalog
import LocalServers
import Testing

@Suite("Files that are written")
struct WritableDatabaseTests {
    @Test("a database gives back what was written, of every type")
    func roundTrip() throws {
        let folder = try TemporaryFolder("database")
        let database = try WritableDatabase(at: "\(folder.path)/a", label: "a")
        try database.run("CREATE TABLE t (a, b, c, d)")
        try database.run("INSERT INTO t VALUES (?, ?, ?, ?)", [.integer(-1), .text(""), .blob([0, 255]), .null])
        let row = try database.row(of: "SELECT * FROM t") { row in
            (row.integer(0), row.bytes(1), row.bytes(2), row.isNull(3), row.isNull(1))
        }
        let (number, text, blob, isNull, isTextNull) = try #require(row)
        #expect(number == -1)
        #expect(text == [])
        #expect(blob == [0, 255])
        #expect(isNull)
        #expect(!isTextNull)
    }

    @Test("a file that cannot be opened is said so")
    func unopenable() {
        #expect(throws: CatalogError.self) { try WritableDatabase(at: "/nonexistent/a", label: "a") }
    }
}

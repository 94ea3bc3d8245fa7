import CASCore
import Catalog
import CatalogFixtures
import FixtureTrees
import Foundation
import SystemPackage
import Testing

@Suite("Hostile files")
struct HostileFileTests {
    /// A catalog with something in every table, on many pages.
    private func makeSample(files: Int = 150) throws -> MadeCatalog {
        try MadeCatalog {
            try $0.add(.directory("/d"))
            for number in 0..<files {
                try $0.add(
                    EntryRow.file(RepositoryPath("/d/file-\(number)"), size: Int64(number), hash: .made(UInt64(number)))
                        .with {
                            $0.xattr = number % 3 == 0 ? [1, 1, 6, 1] + Array("user.av".utf8) : nil
                        })
            }
            try $0.add(.symlink("/link", to: "d/$(X:-file-1)"))
            try $0.add(.special("/null", type: 0o020000, device: 0x103))
            try $0.add(EntryRow.file("/big", size: 30, hash: nil).with { $0.flags |= 64 })
            for number in 0..<3 {
                try $0.addChunk(of: "/big", offset: Int64(number) * 10, size: 10, hash: .made(UInt64(number)))
            }
            try $0.add(.directory("/nested").with { $0.flags |= 2 })
            try $0.addNested("/nested", hash: ContentHash.made(1).description, size: 5000)
        }
    }

    /// Reads everything there is to read, and sees to it that what comes is well formed.
    /// - Returns: how many entries came, and the codes of the errors.
    private func exercise(_ path: FilePath) -> (entries: Int, errors: Set<CatalogError.Code>) {
        var errors: Set<CatalogError.Code> = []
        func note(_ body: () throws -> Void) {
            if let code = code(body) { errors.insert(code) }
        }
        guard let catalog = try? FileCatalog(at: path) else {
            note { _ = try FileCatalog(at: path) }
            return (0, errors)
        }
        var entries: [CatalogEntry] = []
        func collect(_ next: () throws -> CatalogEntry?) {
            var failures = 0
            while true {
                do {
                    guard let entry = try next() else { return }
                    entries.append(entry)
                } catch {
                    if let error = error as? CatalogError { errors.insert(error.code) }
                    failures += 1
                }
                // A row is given out or refused once.
                guard failures < 2000, entries.count < 10_000 else {
                    Issue.record("a listing without end")
                    return
                }
            }
        }
        var rows = catalog.rows()
        collect { try rows.next()?.entry }
        for directory in ["/", "/d", "/nested"] as [RepositoryPath] {
            if var cursor = try? catalog.entries(in: directory) { collect { try cursor.next() } }
            if var cursor = try? catalog.entriesByName(in: directory) { collect { try cursor.next() } }
        }
        for path in ["/", "/d", "/link", "/null", "/big", "/nested", "/d/file-7", "/absent"] as [RepositoryPath] {
            note { if let entry = try catalog.entry(at: path) { entries.append(entry) } }
            note { _ = try catalog.nestedCatalog(containing: path.appending(FileName("x"))) }
        }
        for entry in entries {
            note {
                for chunk in try entry.isChunked ? catalog.chunks(of: entry) : [] {
                    #expect(chunk.size > 0 && chunk.offset >= 0 && chunk.offset + chunk.size <= entry.size)
                }
            }
            note { _ = try catalog.xattrs(of: entry) }
        }
        note { _ = try catalog.statistics() }
        note { for nested in try catalog.nestedCatalogs() { #expect(!nested.path.isRoot) } }
        let areWellFormed = entries.allSatisfy { entry in
            (entry.name.isValid || entry.name.bytes.isEmpty && entry.key == RepositoryPath.root.key)
                && entry.size >= 0 && entry.linkCount > 0 && entry.target.count <= CatalogLimits.targetBytes
                && EntryKind(mode: entry.mode) == entry.kind
                && (0..<1_000_000_000).contains(entry.mtimeNanoseconds ?? 0)
        }
        #expect(areWellFormed)
        return (entries.count, errors)
    }

    @Test("the sample is read without an error")
    func sample() throws {
        let made = try makeSample()
        let result = exercise(made.path)
        #expect(result.errors == [] && result.entries > 450)
    }

    // MARK: Damage

    @Test("what is no database is refused")
    func noDatabase() throws {
        let folder = try TemporaryFolder()
        let page = Array("<!DOCTYPE html><html><head><title>Captive portal</title></head></html>".utf8)
        for (bytes, expected): ([UInt8], CatalogError.Code) in [
            ([], .notADatabase), (page + Array(repeating: 32, count: 5000), .notADatabase), ([0x53], .truncated),
            (Array("SQLite format 3\0".utf8), .truncated), (Array("SQLite format 2\0".utf8), .notADatabase),
            (Array("SQLite format 3\0".utf8) + Array(repeating: 0, count: 4080), .corrupt),
            (Array(repeating: 0, count: 4096), .notADatabase),
        ] {
            let path = try folder.write(bytes, to: "file")
            #expect(code { _ = try FileCatalog(at: path) } == expected, "\(bytes.count) bytes")
        }
        #expect(code { _ = try FileCatalog(at: FilePath(folder.path("absent"))) } == .io)
        #expect(code { _ = try FileCatalog(at: FilePath(folder.url.path)) } == .io)
    }

    @Test("a file that is cut anywhere is refused when it is opened")
    func truncated() throws {
        let made = try makeSample()
        let bytes = try made.bytes()
        for length in Array(stride(from: 1, to: bytes.count, by: 211))
            + Array(stride(from: 1024, to: bytes.count, by: 1024))
        {
            let path = try made.folder.write(Array(bytes[..<length]), to: "cut")
            #expect(code { _ = try FileCatalog(at: path) } == .truncated, "\(length) of \(bytes.count) bytes")
        }
        let longer = try made.folder.write(bytes + Array(repeating: 0, count: 2048), to: "longer")
        #expect(exercise(longer).errors.isEmpty)
    }

    @Test("bits that are flipped anywhere give errors or well-formed entries, and never more")
    func flips() throws {
        var random = SeededGenerator(for: "flipped bits")
        let made = try makeSample(files: 20)
        let bytes = try made.bytes()
        var outcomes: [CatalogError.Code: Int] = [:]
        for round in 0..<2000 {
            var damaged = bytes
            // Every region in turn; some files with more damage than one bit.
            let region = bytes.count * (round % 100) / 100
            for _ in 0..<(round % 5 == 0 ? Int.random(in: 2...64, using: &random) : 1) {
                let offset = Int.random(in: region..<min(bytes.count, region + bytes.count / 100 + 1), using: &random)
                damaged[offset] =
                    round % 2 == 0
                    ? damaged[offset] ^ (1 << UInt8.random(in: 0...7, using: &random))
                    : UInt8.random(in: 0...255, using: &random)
            }
            let path = try made.folder.write(damaged, to: "damaged")
            for code in exercise(path).errors { outcomes[code, default: 0] += 1 }
        }
        print("flipped bits: \(outcomes.map { "\($0.key) \($0.value)" }.sorted())")
        // The test sees damage: these two cannot be missed in 2000 files.
        #expect(outcomes[.corrupt] ?? 0 > 0 && outcomes[.malformedEntry] ?? 0 > 0)
    }

    @Test("trees that bite their own tail end")
    func loops() throws {
        let made = try makeSample(files: 800)
        let bytes = try made.bytes()
        let pages = bytes.count / 1024
        var changed = 0
        for page in 1..<pages where bytes[page * 1024] == 5 || bytes[page * 1024] == 2 {
            let start = page * 1024
            let cells = Int(bytes[start + 3]) << 8 | Int(bytes[start + 4])
            // All children are the page itself, then its first leaf, then the file's first page.
            for child in [page + 1, Int(bytes[start + 11]), 1] {
                var looped = bytes
                func point(_ offset: Int) {
                    for byte in 0..<4 { looped[offset + byte] = UInt8(child >> (8 * (3 - byte)) & 0xFF) }
                }
                point(start + 8)
                for cell in 0..<cells {
                    let at = Int(bytes[start + 12 + 2 * cell]) << 8 | Int(bytes[start + 13 + 2 * cell])
                    point(start + at)
                }
                changed += 1
                let path = try made.folder.write(looped, to: "looped")
                let clock = ContinuousClock()
                let time = clock.measure { _ = exercise(path) }
                #expect(time < .seconds(60))
            }
        }
        #expect(changed >= 6)
    }

    // MARK: Schemas that are programs

    @Test(
        "a view, a virtual table or a table with computed columns is no table",
        arguments: ["catalog", "properties", "nested_catalogs", "chunks", "statistics", "bind_mountpoints"])
    func programs(_ table: String) throws {
        for replacement in [
            "CREATE VIEW \(table) AS SELECT 'schema' AS key, '2.5' AS value, '/x' AS path",
            "CREATE VIEW \(table) AS WITH RECURSIVE r(key) AS (SELECT 1 UNION ALL SELECT key + 1 FROM r) SELECT * FROM r",
            "CREATE VIRTUAL TABLE \(table) USING fts4(key, value)",
            "CREATE TABLE \(table.uppercased()) (key, value AS (hex(zeroblob(100000))))",
            "CREATE TABLE \(table) (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID",
            "CREATE TABLE \(table) (key TEXT COLLATE NOCASE, value TEXT)",
        ] {
            let made = try MadeCatalog { try $0.database.run("DROP TABLE \(table); \(replacement)") }
            #expect(code { _ = try made.open() } == .missingTable, "\(replacement)")
        }
    }

    @Test("what else a file has beside its tables does no harm")
    func bystanders() throws {
        let made = try MadeCatalog {
            try $0.add(.file("/a"))
            try $0.database.run(
                """
                CREATE TABLE more (a, b AS (a + 1)); CREATE VIEW catalog_view AS SELECT * FROM catalog;
                CREATE TRIGGER t AFTER INSERT ON catalog BEGIN DELETE FROM catalog; END;
                CREATE INDEX properties_value ON properties (value); CREATE VIRTUAL TABLE words USING fts4(a);
                CREATE INDEX idx_lower ON catalog (lower(name)); CREATE INDEX idx_part ON catalog (name) WHERE size > 5
                """)
        }
        #expect(try made.open().list(.root).map(\.name) == ["a"])
    }

    @Test("statistics of indexes that lie do not change what is found")
    func lyingIndexes() throws {
        let made = try makeSample()
        let maker = try DatabaseMaker(at: made.path.string)
        try maker.run(
            "ANALYZE; UPDATE sqlite_stat1 SET stat = '1 1 1'; UPDATE sqlite_stat1 SET stat = '9999999 9999999' WHERE idx LIKE '%auto%'"
        )
        let result = exercise(made.path)
        #expect(result.errors == [] && result.entries > 450)
    }

    @Test("a schema without end is not taken in")
    func schemaBombs() throws {
        let many = try MadeCatalog { maker in
            for number in 0..<3000 { try maker.database.run("CREATE TABLE t\(number) (a)") }
        }
        #expect(code { _ = try many.open() } == .interrupted)
        let long = try MadeCatalog {
            let columns = (0..<2000).map { "column_\($0)_\(String(repeating: "x", count: 20))" }
            try $0.database.run("CREATE TABLE t (\(columns.joined(separator: ", ")))")
        }
        #expect([.corrupt, .tooLarge].contains(try #require(code { _ = try long.open() })))
        let properties = try MadeCatalog { for number in 0..<300 { try $0.setProperty("p\(number)", "") } }
        #expect(code { _ = try properties.open() } == .tooLarge)
    }

    @Test("values that are far too long are not taken in")
    func hugeValues() throws {
        let huge = Array(repeating: UInt8(ascii: "x"), count: CatalogLimits.rowBytes + 5000)
        for (column, value) in [("name", DatabaseValue.text(huge)), ("symlink", .text(huge)), ("hash", .blob(huge))] {
            let made = try MadeCatalog {
                try $0.add(.file("/a"))
                // A target is read of a symlink only.
                let row = column == "symlink" ? EntryRow.symlink("/b", to: "a") : EntryRow.file("/b")
                try $0.add(row.with { $0.raw[column] = value })
            }
            let catalog = try made.open()
            #expect(code { _ = try catalog.entry(at: "/b") } == .tooLarge, "\(column)")
            #expect(code { _ = try catalog.list(.root) } == .tooLarge, "\(column)")
            #expect(try catalog.entry(at: "/a") != nil)
        }
        let property = try MadeCatalog { try $0.setProperty("TTL", bytes: huge) }
        #expect(code { _ = try property.open() } == .tooLarge)
    }

    @Test("files that do not stand alone, or are in another encoding, are refused")
    func settings() throws {
        let made = try makeSample()
        var bytes = try made.bytes()
        bytes[18] = 2
        bytes[19] = 2
        let journaled = try made.folder.write(bytes, to: "wal")
        #expect(code { _ = try FileCatalog(at: journaled) } == .unsupportedSchema)
        let folder = try TemporaryFolder()
        let maker = try DatabaseMaker(at: folder.path("wide"))
        try maker.run("PRAGMA encoding = 'UTF-16'; CREATE TABLE properties (key TEXT, value TEXT)")
        #expect(code { _ = try FileCatalog(at: FilePath(folder.path("wide"))) } == .unsupportedSchema)
    }

    @Test("a catalog without indexes is read while it is small, and stopped when it is large")
    func missingIndexes() throws {
        func make(rows: Int) throws -> MadeCatalog {
            try MadeCatalog {
                try $0.add(.directory("/d"))
                try $0.add(.file("/d/f"))
                try $0.database.run(
                    """
                    CREATE TABLE copy AS SELECT * FROM catalog;
                    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \(rows))
                        INSERT INTO copy SELECT i, i, i, i, 1, NULL, 0, 33188, 0, NULL, 4, 'f', '', 0, 0, NULL FROM n;
                    DROP TABLE catalog; ALTER TABLE copy RENAME TO catalog
                    """)
            }
        }
        let small = try make(rows: 1000).open()
        #expect(try small.entry(at: "/d/f") != nil && small.entry(at: "/x") == nil)
        #expect(try small.list("/d").count == 1 && small.listByName("/d").count == 1)
        let large = try make(rows: 400_000).open()
        #expect(code { _ = try large.entry(at: "/x") } == .interrupted)
        #expect(code { _ = try large.list("/x") } == .interrupted)
        #expect(code { _ = try large.listByName("/x") } == .interrupted)
        // What needs no index is there.
        #expect(try large.entry(rowID: 3)?.name == "f")
    }
}

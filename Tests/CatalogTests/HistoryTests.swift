import CASCore
import Catalog
import CatalogFixtures
import FixtureTrees
import Foundation
import SystemPackage
import Testing

@Suite("Histories and reflogs")
struct HistoryTests {
    @Test("the tags of a repository of the reference lead to its root catalogs", arguments: Fixtures.all)
    func fixtures(_ repository: FixtureRepository) throws {
        let catalogs = try FixtureCatalogs(repository)
        let object = ObjectID(try catalogs.manifestHash("H"), kind: .history)
        let history = try HistoryDatabase(at: try catalogs.file(object))
        #expect(history.fqrn == repository.name && history.schemaRevision == 3)
        let tags = try history.tags()
        #expect(tags.contains { $0.name == "trunk-previous" } == (tags.contains { $0.revision > 1 }))
        let trunk = try #require(try history.tag(named: "trunk"))
        #expect(trunk.rootHash == (try catalogs.manifestHash("C")) && trunk.description == "current HEAD")
        for tag in tags {
            #expect(try history.tag(named: tag.name) == tag)
            let content = try catalogs.content(tag.object)
            #expect(tag.size == Int64(content.count) && tag.branch.isEmpty && tag.channel == 0)
            let root = try catalogs.open(tag.object)
            #expect(root.properties.revision == tag.revision && root.properties.lastModified == tag.timestamp)
            let found = try #require(try history.tag(notNewerThan: tag.timestamp))
            #expect(found.revision >= tag.revision && found.timestamp <= tag.timestamp)
        }
        let oldest = try #require(tags.map(\.timestamp).min())
        #expect(try history.tag(notNewerThan: oldest - 1) == nil)
        #expect(try history.tag(named: "no such tag") == nil)
        #expect(try history.branches() == [Branch(name: "", parent: nil, initialRevision: 0)])
    }

    @Test("the reflog of a repository of the reference lists its root objects", arguments: Fixtures.all)
    func reflog(_ repository: FixtureRepository) throws {
        let path = FilePath(repository.folder.appending(path: ".cvmfsreflog").path)
        let reflog = try ReflogDatabase(at: path)
        #expect(reflog.fqrn == repository.name)
        let references = try reflog.references()
        for reference in references { _ = try repository.bytes(reference.object.serverPath) }
        let listed = Set(references.map { "\($0.object)" })
        let catalogs = try FixtureCatalogs(repository)
        let current = [
            ObjectID(try catalogs.manifestHash("C"), kind: .catalog),
            ObjectID(try catalogs.manifestHash("H"), kind: .history),
            ObjectID(try catalogs.manifestHash("X"), kind: .certificate),
            ObjectID(try catalogs.manifestHash("M"), kind: .metainfo),
        ]
        #expect(listed.isSuperset(of: current.map { "\($0)" }))
        #expect(zip(references, references.dropFirst()).allSatisfy { $0.timestamp >= $1.timestamp })
    }

    @Test("a history of 2015 is read", .enabled(if: Fixtures.legacy != nil))
    func legacy() throws {
        let catalogs = try FixtureCatalogs(try #require(Fixtures.legacy))
        let object = ObjectID(try catalogs.manifestHash("H"), kind: .history)
        let history = try HistoryDatabase(at: try catalogs.file(object))
        #expect(history.schemaRevision == 2)
        #expect(
            try history.tags().map(\.name) == [
                "generic-2015-10-21T11:55:15Z", "trunk", "generic-2015-10-21T11:55:14Z", "trunk-previous",
            ])
        #expect(try history.tag(notNewerThan: 1_445_428_514)?.revision == 1)
    }

    // MARK: Made ones

    private struct Made {
        let folder: TemporaryFolder
        let path: FilePath

        /// - Parameter rows: values of name, hash, revision, timestamp, description, and from revision 3 on branch.
        init(revision: Int, _ rows: [[DatabaseValue]], _ change: (DatabaseMaker) throws -> Void = { _ in }) throws {
            folder = try TemporaryFolder()
            path = FilePath(folder.path("history.db"))
            let maker = try DatabaseMaker(at: path.string)
            try maker.run("CREATE TABLE properties (key TEXT, value TEXT, CONSTRAINT pk_properties PRIMARY KEY (key))")
            let size = revision >= 1 ? ", size INTEGER" : ""
            let branch = revision >= 3 ? ", branch TEXT" : ""
            try maker.run(
                "CREATE TABLE tags (name TEXT, hash TEXT, revision INTEGER, timestamp INTEGER, channel INTEGER, "
                    + "description TEXT\(size)\(branch), CONSTRAINT pk_tags PRIMARY KEY (name))")
            if revision >= 3 {
                try maker.run("CREATE TABLE branches (branch TEXT PRIMARY KEY, parent TEXT, initial_revision INTEGER)")
                try maker.run("INSERT INTO branches VALUES ('side', '', 4), ('', NULL, 0)")
            }
            try maker.run(
                "INSERT INTO properties VALUES ('schema', '1.0'), ('fqrn', 'made.example.org'), "
                    + "('schema_revision', '\(revision)')")
            for row in rows {
                let names = ["name", "hash", "revision", "timestamp", "description", "branch"].prefix(row.count)
                let places = row.map { _ in "?" }.joined(separator: ", ")
                try maker.run("INSERT INTO tags (\(names.joined(separator: ", "))) VALUES (\(places))", row)
            }
            try change(maker)
        }
    }

    private func row(_ name: String, _ revision: Int64, _ time: Int64, branch: String? = nil) -> [DatabaseValue] {
        let hash = ContentHash.made(UInt64(revision)).description
        return [.text(name), .text(hash), .integer(revision), .integer(time), .text("about \(name)")]
            + (branch.map { [.text($0)] } ?? [])
    }

    @Test("every revision of the schema is read", arguments: 0...3)
    func revisions(_ revision: Int) throws {
        let branch = revision >= 3 ? "" : nil
        let made = try Made(revision: revision, [row("a", 1, 100, branch: branch), row("b", 2, 200, branch: branch)])
        let history = try HistoryDatabase(at: made.path)
        #expect(history.schemaRevision == revision && history.previousRevision == nil)
        let tags = try history.tags()
        #expect(tags.map(\.name) == ["b", "a"])
        #expect(tags[1] == Tag(name: "a", rootHash: .made(1), revision: 1, timestamp: 100, description: "about a"))
        #expect(try history.tag(named: "b") == tags[0])
        #expect(try history.branches().map(\.name) == (revision >= 3 ? ["", "side"] : [""]))
    }

    @Test("a date gives the highest revision of the default branch that is not newer")
    func byDate() throws {
        let rows = [
            row("old", 3, 100, branch: ""), row("new", 9, 300, branch: ""), row("clock was wrong", 5, 200, branch: ""),
            row("between", 4, 250, branch: ""), row("aside", 8, 260, branch: "side"),
            row("same, later name", 9, 300, branch: ""),
        ]
        let made = try Made(revision: 3, rows)
        let history = try HistoryDatabase(at: made.path)
        #expect(try history.tag(notNewerThan: 99) == nil)
        #expect(try history.tag(notNewerThan: 100)?.name == "old")
        #expect(try history.tag(notNewerThan: 299)?.name == "clock was wrong")
        #expect(try history.tag(notNewerThan: .max)?.name == "new")
        let names = try history.tags().map(\.name)
        #expect(names == ["new", "same, later name", "aside", "between", "clock was wrong", "old"])
    }

    @Test(
        "a malformed tag is refused",
        arguments: [
            [DatabaseValue.text(""), .text("x"), .integer(1), .integer(1)],
            [.text("a"), .text("xyz"), .integer(1), .integer(1)], [.text("a"), .null, .integer(1), .integer(1)],
            [.text("a"), .text(ContentHash.made(1).description), .integer(-1), .integer(1)],
            [.text("a"), .text(ContentHash.made(1).description), .text("many"), .integer(1)],
            [.text("a"), .text(ContentHash.made(1).description), .integer(1), .null],
        ])
    func malformed(_ row: [DatabaseValue]) throws {
        let made = try Made(revision: 1, [row])
        let history = try HistoryDatabase(at: made.path)
        #expect(code { _ = try history.tags() } == .malformedTag)
        #expect(code { _ = try history.tag(notNewerThan: 5) } == .malformedTag)
    }

    @Test("a history of another schema, without name, or without tags is refused")
    func refused() throws {
        let newer = try Made(revision: 3, []) { try $0.run("UPDATE properties SET value = '2.0' WHERE key = 'schema'") }
        #expect(code { _ = try HistoryDatabase(at: newer.path) } == .unsupportedSchema)
        let nameless = try Made(revision: 3, []) { try $0.run("DELETE FROM properties WHERE key = 'fqrn'") }
        #expect(code { _ = try HistoryDatabase(at: nameless.path) } == .malformedProperty)
        let tagless = try Made(revision: 3, []) { try $0.run("DROP TABLE tags") }
        #expect(code { _ = try HistoryDatabase(at: tagless.path) } == .missingTable)
        let branchless = try Made(revision: 3, []) { try $0.run("DROP TABLE branches") }
        #expect(code { _ = try HistoryDatabase(at: branchless.path) } == .missingTable)
        let view = try Made(revision: 1, []) {
            try $0.run("DROP TABLE tags; CREATE VIEW tags AS SELECT 'a' AS name, 'b' AS hash, 1 AS revision")
        }
        #expect(code { _ = try HistoryDatabase(at: view.path) } == .missingTable)
    }

    @Test(
        "a malformed reference is refused",
        arguments: [
            "'xyz', 0, 1", "'\(ContentHash.made(1))', 4, 1", "'\(ContentHash.made(1))', -1, 1",
            "'\(ContentHash.made(1))', 'C', 1", "'\(ContentHash.made(1))', 0, NULL", "NULL, 0, 0",
        ])
    func malformedReference(_ values: String) throws {
        let folder = try TemporaryFolder()
        let maker = try DatabaseMaker(at: folder.path("reflog.db"))
        try maker.run("CREATE TABLE properties (key TEXT PRIMARY KEY, value TEXT)")
        try maker.run("CREATE TABLE refs (hash TEXT PRIMARY KEY, type INTEGER, timestamp INTEGER)")
        try maker.run("INSERT INTO properties VALUES ('fqrn', 'made.example.org'), ('schema', '1.0')")
        let reflog = try ReflogDatabase(at: FilePath(folder.path("reflog.db")))
        #expect(try reflog.references() == [])
        try maker.run("INSERT INTO refs VALUES (\(values))")
        let spoiled = try ReflogDatabase(at: FilePath(folder.path("reflog.db")))
        #expect(code { _ = try spoiled.references() } == .malformedReference)
    }
}

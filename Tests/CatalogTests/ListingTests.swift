import CASCore
import CatalogFixtures
import FixtureTrees
import SystemPackage
import Testing

@testable import Catalog

@Suite("Listings")
struct ListingTests {
    private static let large = LargeCatalog(entries: 30_001, shape: .oneDirectory)

    private func makeLarge() throws -> (FileCatalog, TemporaryFolder) {
        let folder = try TemporaryFolder()
        try Self.large.write(to: folder.path("large.db"))
        return (try FileCatalog(at: FilePath(folder.path("large.db"))), folder)
    }

    @Test("a large directory is listed whole, in either order, from any place, in bounded memory")
    func largeDirectory() throws {
        let (catalog, folder) = try makeLarge()
        let names = (0..<Self.large.files).map { LargeCatalog.name(of: $0) }
        let stored = try catalog.list(.root)
        #expect(stored.map(\.name) == names)
        #expect(stored.indices.allSatisfy { stored[$0].size == LargeCatalog.size(of: $0) })
        let sorted = names.sorted()
        #expect(try catalog.listByName(.root).map(\.name) == sorted)
        // 2 MiB of pages, and what SQLite needs beside them.
        #expect(catalog.memoryUsed < 2 << 20 + 300 << 10)

        var random = SeededGenerator(for: "resumed listing")
        var cursor = try catalog.entries(in: .root)
        var resumed: [FileName] = []
        while true {
            let count = Int.random(in: 1...3000, using: &random)
            let before = resumed.count
            for _ in 0..<count { if let entry = try cursor.next() { resumed.append(entry.name) } }
            if resumed.count == before { break }
            cursor = try catalog.entries(in: .root, after: cursor.position)
        }
        #expect(resumed == names)

        for _ in 0..<5 {
            let index = Int.random(in: sorted.indices, using: &random)
            var cursor = try catalog.entriesByName(in: .root, after: sorted[index])
            #expect(try cursor.next()?.name == (index + 1 < sorted.count ? sorted[index + 1] : nil))
        }
        withExtendedLifetime(folder) {}
    }

    @Test("a listing by name that must forget names goes over the directory again", arguments: [64, 20_000, 150_000])
    func passes(_ bytes: Int) throws {
        let count = bytes < 1000 ? 200 : 6000
        let folder = try TemporaryFolder()
        try LargeCatalog(entries: count + 1, shape: .oneDirectory).write(to: folder.path("large.db"))
        let catalog = try FileCatalog(at: FilePath(folder.path("large.db")))
        var cursor = NameOrderedCursor(
            catalog: catalog, parent: RepositoryPath.root.key, after: nil, includingHidden: false, boundedTo: bytes,
            smallTo: 10)
        var names: [FileName] = []
        while let entry = try cursor.next() { names.append(entry.name) }
        #expect(names == (0..<count).map { LargeCatalog.name(of: $0) }.sorted())
    }

    @Test("names are sorted by their bytes, whichever way", arguments: [0, 1000])
    func order(_ small: Int) throws {
        var random = SeededGenerator(for: "names")
        var names: Set<FileName> = ["a", "a.b", "a-b", "aa", "B", "\u{E9}", "~", "0"]
        for _ in 0..<200 {
            let bytes = (0..<Int.random(in: 1...12, using: &random)).map { _ in
                UInt8.random(in: 1...255, using: &random)
            }
            if FileName(bytes: bytes).isValid { names.insert(FileName(bytes: bytes)) }
        }
        let made = try MadeCatalog { for name in names { try $0.add(.file(.root.appending(name))) } }
        let catalog = try made.open()
        var cursor = NameOrderedCursor(
            catalog: catalog, parent: RepositoryPath.root.key, after: nil, includingHidden: false, smallTo: small)
        var found: [FileName] = []
        while let entry = try cursor.next() { found.append(entry.name) }
        #expect(found == names.sorted())
    }

    @Test("a second entry of a name is refused in a listing by name, and the rest follows")
    func twice() throws {
        let made = try MadeCatalog {
            try $0.add(.file("/a"))
            try $0.add(EntryRow.file("/c").with { $0.raw["name"] = .text("a") })
            try $0.add(.file("/d"))
        }
        var cursor = try made.open().entriesByName(in: .root)
        #expect(try cursor.next()?.name == "a")
        #expect(code { _ = try cursor.next() } == .malformedEntry)
        #expect(try cursor.next()?.name == "d")
        #expect(try cursor.next() == nil)
    }

    @Test("an empty directory, a file and an absent path have no entries")
    func empty() throws {
        let made = try MadeCatalog {
            try $0.add(.directory("/d"))
            try $0.add(.file("/f"))
        }
        let catalog = try made.open()
        for path in ["/d", "/f", "/absent", "/f/below"] as [RepositoryPath] {
            #expect(try catalog.list(path).isEmpty && catalog.listByName(path).isEmpty)
        }
    }

    @Test("rows come with their parents, also those that no path leads to")
    func rows() throws {
        let made = try MadeCatalog {
            try $0.add(.directory("/d"))
            try $0.add(.file("/d/f").with { $0.flags |= 0x8000 })
            try $0.add(.file("/orphan/f"))
        }
        let rows = try made.open().allRows()
        #expect(rows.map { "\($0.entry.name)" } == ["", "d", "f", "f"])
        let parents: [PathKey] = [
            .none, RepositoryPath.root.key, RepositoryPath("/d").key, RepositoryPath("/orphan").key,
        ]
        #expect(rows.map(\.parent) == parents)
        #expect(rows.map(\.entry.key) == [RepositoryPath.root, "/d", "/d/f", "/orphan/f"].map(\.key))
        #expect(rows.map(\.entry.rowID) == [1, 2, 3, 4])
    }

    @Test("negative row numbers are rows too")
    func negativeRows() throws {
        let made = try MadeCatalog { try $0.add(EntryRow.file("/f").with { $0.raw["rowid"] = .integer(-7) }) }
        let catalog = try made.open()
        #expect(try catalog.list(.root).map(\.rowID) == [-7])
        #expect(try catalog.entry(rowID: -7)?.name == "f")
        #expect(try catalog.allRows().count == 2)
    }

    @Test("the share of the page cache halves as databases become many")
    func shares() {
        #expect([0, 1, 16].allSatisfy { PageCacheBudget.share(of: $0) == 2 << 20 })
        #expect(PageCacheBudget.share(of: 17) == 1 << 20)
        #expect(PageCacheBudget.share(of: 64) == 512 << 10)
        #expect(PageCacheBudget.share(of: 256) == 128 << 10 && PageCacheBudget.share(of: 100_000) == 128 << 10)
    }
}

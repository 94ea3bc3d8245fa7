import CASCore
import CatalogFixtures
import Foundation
import SystemPackage
import Testing

@testable import Catalog

@Suite("Writing catalogs")
struct CatalogWriterTests {
    private static let hash = ContentHash(hashing: Array("content".utf8), with: .shake128)

    /// A catalog with an entry of every kind, made in a fixed order.
    private func make(_ file: String, extra: Int = 0) throws -> String {
        let writer = try CatalogWriter(creating: file, at: .root, entry: .directory(mtime: 1))
        try writer.setProperty("TTL", "240")
        try writer.insert(.directory(permissions: 0o1777, uid: 5, gid: 6, mtime: -3, mtimeNanoseconds: 9), at: "/dir")
        var chunked = EntryRecord(kind: .file, permissions: 0o4755, mtime: 7)
        chunked.size = 30
        chunked.isChunked = true
        chunked.hashAlgorithm = .shake128
        let chunks = [(0, 10), (10, 20)].map { (offset: Int, size: Int) in
            FileChunk(offset: Int64(offset), size: Int64(size), hash: Self.hash, compression: .zlib)
        }
        try writer.insert(chunked, chunks: chunks, at: "/dir/chunked")
        var plain = EntryRecord(kind: .file, permissions: 0o600, mtime: 8)
        plain.size = 7
        plain.contentHash = Self.hash
        plain.compression = .none
        plain.xattrs = ExtendedAttributes.blob(of: [.init(name: Array("user.x".utf8), value: [1, 2])]).stored
        plain.hardlinkGroup = try writer.makeHardlinkGroup()
        plain.linkCount = 2
        try writer.insert(plain, at: "/plain")
        try writer.insert(plain, at: "/also")
        var link = EntryRecord(kind: .symlink, permissions: 0o777)
        link.target = Array("$(X)/y".utf8)
        try writer.insert(link, at: "/link")
        var device = EntryRecord(kind: .block, permissions: 0o660)
        device.device = DeviceNumber(major: 259, minor: 70_000)
        try writer.insert(device, at: "/device")
        for index in 0..<extra { try writer.insert(plain, at: RepositoryPath("/extra-\(index)")) }
        try writer.setRevision(3, lastModified: 1_700_000_000, previous: nil)
        return try writer.finish()
    }

    @Test("what is written reads back, with the counters that it has")
    func readsBack() throws {
        let folder = try TemporaryFolder()
        let file = try make(folder.path("catalog"))
        let catalog = try FileCatalog(at: FilePath(file))
        #expect(catalog.schema == CatalogSchema(version: 2.5, revision: 7))
        #expect(catalog.properties.revision == 3 && catalog.properties.ttl == 240)
        #expect(catalog.properties.previousRevision == nil && catalog.properties.lastModified == 1_700_000_000)
        let chunked = try #require(try catalog.entry(at: "/dir/chunked"))
        #expect(chunked.permissions == 0o4755 && chunked.contentHash == nil && chunked.hashAlgorithm == .shake128)
        #expect(try catalog.chunks(of: chunked).map(\.size) == [10, 20])
        let plain = try #require(try catalog.entry(at: "/plain"))
        #expect(plain.contentHash == Self.hash && plain.compression == .none && plain.linkCount == 2)
        #expect(try plain.hardlinkGroup == catalog.entry(at: "/also")?.hardlinkGroup)
        #expect(try catalog.xattrs(of: plain)["user.x"] == [1, 2])
        #expect(try catalog.entry(at: "/link")?.target == Array("$(X)/y".utf8))
        #expect(try catalog.entry(at: "/device")?.device == DeviceNumber(major: 259, minor: 70_000))
        let directory = try #require(try catalog.entry(at: "/dir"))
        #expect(directory.mtime == -3 && directory.mtimeNanoseconds == 9 && directory.uid == 5)
        let own = try catalog.statistics().own
        #expect(own.directories == 2 && own.regular == 3 && own.symlinks == 1 && own.specials == 1)
        #expect(own.chunkedFiles == 1 && own.chunks == 2 && own.fileBytes == 44 && own.chunkedBytes == 30)
        #expect(own.xattrs == 2 && own.nestedCatalogs == 0)
        #expect(try catalog.statistics().missing == [])
    }

    @Test("the same calls give the same bytes")
    func deterministic() throws {
        let folder = try TemporaryFolder()
        let files = try ["one", "two"].map { try make(folder.path($0), extra: 500) }
        let bytes = try files.map { try Data(contentsOf: URL(filePath: $0)) }
        #expect(bytes[0] == bytes[1])
    }

    @Test(
        "a catalog of any revision of 2.5 is brought up to date when it is changed", arguments: CatalogLayout.allCases)
    func upgrades(layout: CatalogLayout) throws {
        let made = try MadeCatalog(layout: layout) { maker in
            try maker.add(.directory("/d"))
            try maker.add(.file("/d/f", size: 12))
            // Before revision 5 nothing said that it is special.
            try maker.add(.special("/d/pipe", type: 0o010000).with { if layout.revision < 5 { $0.flags = 4 } })
        }
        let before = try made.open().allRows().map(\.entry.name)
        guard layout.schema == "2.5" else {
            #expect(
                code {
                    let writer = try CatalogWriter(editing: made.path.string, at: .root)
                    try writer.setProperty("TTL", "1")
                } == .unsupportedSchema)
            return
        }
        let writer = try CatalogWriter(editing: made.path.string, at: .root)
        let old = try #require(try writer.record(at: "/d/f"))
        var new = old
        new.mtimeNanoseconds = 5
        new.xattrs = ExtendedAttributes.blob(of: [.init(name: [65], value: [66])]).stored
        try writer.replace(old, with: new, at: "/d/f")
        let catalog = try FileCatalog(at: FilePath(try writer.finish()))
        #expect(catalog.schema.revision == 7)
        #expect(try catalog.allRows().map(\.entry.name) == before)
        let file = try #require(try catalog.entry(at: "/d/f"))
        #expect(try file.mtimeNanoseconds == 5 && catalog.xattrs(of: file)["A"] == [66])
        let statistics = try catalog.statistics()
        #expect(statistics.missing == [])
        if layout.revision < 5 {
            #expect(statistics.own.directories == 2 && statistics.own.regular == 1 && statistics.own.specials == 1)
        }
        #expect(try catalog.nestedCatalogs() == [])
    }

    @Test("a catalog that has lost most of its rows is written anew, with compact rows in their order")
    func compacts() throws {
        let folder = try TemporaryFolder()
        let file = try make(folder.path("catalog"), extra: 2000)
        let writer = try CatalogWriter(editing: file, at: .root)
        for index in 0..<1900 {
            let path = RepositoryPath("/extra-\(index)")
            try writer.remove(try #require(try writer.record(at: path)), at: path)
        }
        let compact = try writer.finish()
        #expect(compact != file)
        let catalog = try FileCatalog(at: FilePath(compact))
        let rows = try catalog.allRows()
        #expect(rows.map(\.entry.rowID) == Array(1...Int64(rows.count)))
        #expect(rows.count == 107 && rows.last?.entry.name == "extra-1999")
        #expect(try catalog.statistics().own.entries == 107)
        let chunked = try #require(try catalog.entry(at: "/dir/chunked"))
        #expect(try catalog.chunks(of: chunked).count == 2)
        #expect(catalog.properties.ttl == 240)
        let sizes = try [file, compact].map { try Data(contentsOf: URL(filePath: $0)).count }
        #expect(sizes[1] < sizes[0] / 4)
    }

    @Test("rows and groups with the greatest numbers that there are end in an error, if anything")
    func greatNumbers() throws {
        let folder = try TemporaryFolder()
        let file = folder.path("catalog")
        let maker = try CatalogMaker(at: file)
        try maker.add(.directory(.root))
        try maker.add(.file("/a", size: 1, hash: Self.hash))
        try maker.database.run("UPDATE catalog SET rowid=\(Int64.max), hardlinks=\(Int64(-1) << 32 | 1) WHERE name='a'")
        try maker.finish()
        let writer = try CatalogWriter(editing: file, at: .root)
        #expect(try writer.highestHardlinkGroup() == .max)
        let error = #expect(throws: CatalogError.self) { try writer.makeHardlinkGroup() }
        #expect(error?.code == .tooLarge)
        try writer.setProperty("TTL", "240")
        let rows = try FileCatalog(at: FilePath(try writer.finish())).allRows()
        #expect(rows.map(\.entry.rowID) == [1, 2])
    }

    @Test("a directory of any size is listed by name while it is being changed")
    func listing() throws {
        let folder = try TemporaryFolder()
        let writer = try CatalogWriter(creating: folder.path("catalog"), at: .root, entry: .directory(mtime: 0))
        let names = (0..<300).map { FileName("name-\(($0 * 7919) % 300)") }
        for name in names {
            try writer.insert(EntryRecord(kind: .fifo, permissions: 0o600), at: RepositoryPath.root.appending(name))
        }
        for (bound, small) in [(1 << 20, 4096), (1 << 20, 10), (500, 10)] {
            var rows = try DirectoryRows(writer, .root, boundedTo: bound, smallTo: small)
            var found: [FileName] = []
            while let (name, record) = try rows.next() {
                found.append(name)
                // What comes before may change at will.
                var changed = record
                changed.mtime += 1
                try writer.replace(record, with: changed, at: RepositoryPath.root.appending(name))
            }
            #expect(found == names.sorted())
        }
    }

    @Test("attributes that do not fit are named and left out")
    func unfitAttributes() {
        let attributes = [
            ExtendedAttributes.Attribute(name: Array("user.long".utf8), value: [UInt8](repeating: 1, count: 256)),
            ExtendedAttributes.Attribute(name: Array("user.b".utf8), value: [UInt8](repeating: 1, count: 255)),
            ExtendedAttributes.Attribute(name: Array("user.a".utf8), value: []),
        ]
        let (stored, unfit) = ExtendedAttributes.blob(of: attributes)
        #expect(unfit == [Array("user.long".utf8)])
        let back = stored.flatMap { ExtendedAttributes(blob: $0) }
        #expect(back?.attributes.map(\.name) == [Array("user.a".utf8), Array("user.b".utf8)])
        let many = (0..<300).map { ExtendedAttributes.Attribute(name: Array("user.\($0)".utf8), value: []) }
        #expect(ExtendedAttributes.blob(of: many).unfit.count == 45)
        #expect(ExtendedAttributes.blob(of: []).stored == nil)
    }
}

import CASCore
import Catalog
import CatalogFixtures
import SystemPackage
import Testing

@Suite("Entries")
struct EntryTests {
    /// A change to a well-formed row, and what it is.
    struct Fault: Sendable, CustomTestStringConvertible {
        let what: String
        let change: @Sendable (inout EntryRow) -> Void
        var testDescription: String { what }

        init(_ what: String, _ change: @escaping @Sendable (inout EntryRow) -> Void) {
            self.what = what
            self.change = change
        }

        /// Another value in one column.
        init(_ column: String, _ value: DatabaseValue) {
            self.init("\(column) is \(value)".prefix(60).description) { $0.raw[column] = value }
        }
    }

    private static let longName = Array(repeating: UInt8(ascii: "n"), count: 256)

    private static let faultsOfFiles: [Fault] = [
        Fault("name", .null), Fault("name", .text("")), Fault("name", .text(".")), Fault("name", .text("..")),
        Fault("name", .text("a/b")), Fault("name", .text("/")), Fault("name", .text(longName)),
        Fault("name", .blob(Array("file".utf8))), Fault("name", .text([0])),
        Fault("mode", .null), Fault("mode", .text("rw")), Fault("mode", .integer(-1)), Fault("mode", .integer(0)),
        Fault("mode", .integer(0o644)), Fault("mode", .integer(0o030644)), Fault("mode", .integer(0o1100644)),
        Fault("mode", .integer(1 << 40)), Fault("mode", .real(33188.5)), Fault("mode", .blob([1])),
        Fault("flags", .null), Fault("flags", .integer(0)), Fault("flags", .integer(1)), Fault("flags", .integer(5)),
        Fault("flags", .integer(12)), Fault("flags", .integer(20)), Fault("flags", .integer(6)),
        Fault("flags", .integer(36)), Fault("flags", .integer(0x4004)), Fault("flags", .integer(-4)),
        Fault("flags", .integer(1 << 33)), Fault("flags", .text("file")),
        Fault("flags", .integer(4 | 3 << 8)), Fault("flags", .integer(4 | 7 << 8)),
        Fault("flags", .integer(4 | 2 << 11)), Fault("flags", .integer(4 | 7 << 11)),
        Fault("size", .null), Fault("size", .integer(-1)), Fault("size", .integer(.min)), Fault("size", .integer(.max)),
        Fault("size", .integer(CatalogLimits.fileBytes + 1)), Fault("size", .text("big")), Fault("size", .blob([])),
        Fault("mtime", .null), Fault("mtime", .text("now")), Fault("mtime", .blob([0])),
        Fault("mtimens", .integer(1_000_000_000)), Fault("mtimens", .integer(.max)), Fault("mtimens", .text("x")),
        Fault("hardlinks", .integer(0)), Fault("hardlinks", .integer(5 << 32)), Fault("hardlinks", .null),
        Fault("hardlinks", .text("one")),
        Fault("uid", .integer(1 << 32)), Fault("uid", .integer(-1 << 32)), Fault("uid", .null),
        Fault("gid", .text("root")), Fault("gid", .integer(.max)), Fault("gid", .null),
        Fault("hash", .blob([1])), Fault("hash", .blob(Array(repeating: 7, count: 19))),
        Fault("hash", .blob(Array(repeating: 7, count: 21))), Fault("hash", .text(String(repeating: "a", count: 20))),
        Fault("hash", .integer(5)), Fault("hash", .blob(Array(repeating: 0, count: 100_000))),
    ]

    @Test("a malformed file is refused, found or listed, and what is beside it is not", arguments: faultsOfFiles)
    func malformedFile(_ fault: Fault) throws {
        try expectRefused(.file("/b", size: 5, hash: .made(1)), fault)
    }

    @Test(
        "a malformed directory is refused",
        arguments: [
            Fault("flags", .integer(1 | 4)), Fault("flags", .integer(1 | 8)), Fault("flags", .integer(1 | 16)),
            Fault("flags", .integer(1 | 64)), Fault("flags", .integer(1 | 128)), Fault("flags", .integer(1 | 0x10000)),
            Fault("flags", .integer(1 | 2 | 32)), Fault("flags", .integer(1 | 2 | 0x4000)),
            Fault("flags", .integer(1 | 32 | 0x4000)), Fault("flags", .integer(2)), Fault("flags", .integer(4)),
            Fault("size", .integer(-4096)), Fault("mode", .integer(0o100755)),
        ])
    func malformedDirectory(_ fault: Fault) throws { try expectRefused(.directory("/b"), fault) }

    @Test(
        "a malformed symlink is refused",
        arguments: [
            Fault("symlink", .null), Fault("symlink", .blob([65])),
            Fault("symlink", .text(Array(repeating: 65, count: CatalogLimits.targetBytes + 1))),
            Fault("flags", .integer(4)), Fault("flags", .integer(8)), Fault("flags", .integer(12 | 16)),
            Fault("flags", .integer(12 | 64)), Fault("mode", .integer(0o100777)),
        ])
    func malformedSymlink(_ fault: Fault) throws { try expectRefused(.symlink("/b", to: "target"), fault) }

    @Test(
        "a malformed device is refused",
        arguments: [
            Fault("size", .integer(-1)), Fault("size", .null), Fault("flags", .integer(28)),
            Fault("flags", .integer(1)),
        ])
    func malformedDevice(_ fault: Fault) throws {
        try expectRefused(.special("/b", type: 0o020000, device: 0x501), fault)
    }

    private func expectRefused(_ row: EntryRow, _ fault: Fault) throws {
        let made = try MadeCatalog {
            try $0.add(.file("/a"))
            try $0.add(row)
            try $0.add(.file("/c"))
        }
        // Proves that the row is fine without the fault.
        let good = try made.open()
        #expect(try good.list(.root).map { "\($0.name)" } == ["a", "b", "c"])

        let spoiled = try MadeCatalog {
            try $0.add(.file("/a"))
            try $0.add(row.with(fault.change))
            try $0.add(.file("/c"))
        }
        let catalog = try spoiled.open()
        #expect(code { _ = try catalog.entry(at: "/b") } == .malformedEntry)
        #expect(code { _ = try catalog.entry(rowID: 3) } == .malformedEntry)
        #expect(code { _ = try catalog.list(.root) } == .malformedEntry)
        #expect(code { _ = try catalog.listByName(.root) } == .malformedEntry)
        // Whoever goes on after the error finds the rest.
        for byName in [false, true] {
            var inOrder = try catalog.entries(in: .root)
            var byNames = try catalog.entriesByName(in: .root)
            var names: [String] = []
            var failures = 0
            while true {
                do {
                    guard let entry = try byName ? byNames.next() : inOrder.next() else { break }
                    names.append("\(entry.name)")
                } catch {
                    #expect(error.code == .malformedEntry)
                    #expect(error.message.contains("row 3"), "\(error)")
                    failures += 1
                }
                try #require(failures < 10)
            }
            #expect(names == ["a", "c"] && failures == 1)
        }
    }

    @Test(
        "what is odd but well formed is read",
        arguments: [
            Fault("hash", .null), Fault("hash", .blob([])), Fault("mtime", .integer(.min)),
            Fault("mtime", .integer(.max)),
            Fault("mtimens", .integer(-1)), Fault("mtimens", .null), Fault("uid", .integer(-1)),
            Fault("symlink", .null), Fault("symlink", .blob([9])), Fault("size", .integer(CatalogLimits.fileBytes)),
            Fault("flags", .integer(4 | 0x8000)), Fault("flags", .integer(4 | 0x40000)),
            Fault("name", .text(Array("b".utf8) + [0, 65])), Fault("hardlinks", .integer(.min + 1)),
        ])
    func odd(_ fault: Fault) throws {
        let made = try MadeCatalog { try $0.add(EntryRow.file("/b", size: 5, hash: .made(1)).with(fault.change)) }
        let catalog = try made.open()
        let entry = try #require(try catalog.entry(at: "/b"))
        #expect(entry.name == "b" && entry.kind == .file && entry.target.isEmpty)
        #expect(try catalog.list(.root, includingHidden: true) == [entry])
        #expect(entry.mtimeNanoseconds == nil)
    }

    @Test("every kind of file is read with what belongs to it")
    func kinds() throws {
        let made = try MadeCatalog {
            try $0.add(.special("/fifo", type: 0o010000))
            try $0.add(.special("/char", type: 0o020000, device: 0x1000_ABC2_34DE))
            try $0.add(.special("/block", type: 0o060000, device: 0x801))
            try $0.add(.special("/socket", type: 0o140000))
            // As writers before revision 5 made them.
            try $0.add(EntryRow.special("/old", type: 0o010000).with { $0.flags = 4 })
            try $0.add(EntryRow.symlink("/link", to: "a/long/target").with { $0.size = -77 })
            try $0.add(
                EntryRow.file("/all", size: 1, hash: .made(1, .ripemd160), compression: .none).with {
                    $0.flags |= 0x18080
                })
        }
        let catalog = try made.open()
        let entries = Dictionary(
            uniqueKeysWithValues: try catalog.list(.root, includingHidden: true).map { ("\($0.name)", $0) })
        #expect(entries["fifo"]?.kind == .fifo && entries["socket"]?.kind == .socket && entries["old"]?.kind == .fifo)
        #expect(entries["char"]?.device == DeviceNumber(major: 0x1234, minor: 0xABCDE))
        #expect(entries["block"]?.device == DeviceNumber(major: 8, minor: 1) && entries["block"]?.size == 0)
        #expect(entries["fifo"]?.device == nil)
        #expect(entries["link"]?.size == 13)
        let all = try #require(entries["all"])
        #expect(all.isExternal && all.isHidden && all.isDirectIO && !all.isChunked)
        #expect(all.hashAlgorithm == .ripemd160 && all.compression == .none)
        #expect(all.object == ObjectID(.made(1, .ripemd160), kind: .file, compression: .none))
    }

    @Test("flags that mean nothing below schema 2.0 are passed over there")
    func legacyFlags() throws {
        let made = try MadeCatalog(layout: .legacy) {
            try $0.add(EntryRow.file("/a").with { $0.flags |= 16 | 64 | 128 | 0xFF00 })
        }
        let entry = try #require(try made.open().entry(at: "/a"))
        #expect(!entry.isChunked && !entry.isExternal && !entry.isHidden)
        #expect(entry.contentHash == .ofEmptyFile && entry.compression == .zlib)
    }

    @Test("the root is a directory, and only the repository's root has no name")
    func roots() throws {
        let file = try MadeCatalog(addsRoot: false) { try $0.add(.file(.root)) }
        #expect(code { _ = try file.open().rootEntry() } == .malformedEntry)
        let nameless = try MadeCatalog(rootPrefix: "/usr", addsRoot: false) {
            try $0.add(EntryRow.directory("/usr").with { $0.raw["name"] = .text("") })
        }
        #expect(code { _ = try nameless.open().rootEntry() } == .malformedEntry)
        let rootless = try MadeCatalog(addsRoot: false)
        #expect(try rootless.open().rootEntry() == nil)
        let listed = try MadeCatalog(addsRoot: false) {
            let key = RepositoryPath.root.key
            try $0.add(
                EntryRow.directory(.root).with {
                    $0.raw["parent_1"] = .integer(key.first)
                    $0.raw["parent_2"] = .integer(key.second)
                })
        }
        #expect(try listed.open().rootEntry()?.name == "")
        #expect(code { _ = try listed.open().list(.root) } == .malformedEntry)
        #expect(code { _ = try listed.open().listByName(.root) } == .malformedEntry)
    }

    @Test("an entry under the key of another path is refused there")
    func wrongKey() throws {
        let made = try MadeCatalog {
            try $0.add(EntryRow.file("/passwd").with { $0.raw["name"] = .text("shadow") })
            try $0.add(EntryRow.file("/xx").with { $0.raw["name"] = .text("x") })
        }
        #expect(code { _ = try made.open().entry(at: "/passwd") } == .malformedEntry)
        #expect(code { _ = try made.open().entry(at: "/xx") } == .malformedEntry)
        #expect(try made.open().entry(for: RepositoryPath("/passwd").key)?.name == "shadow")
    }

    @Test("names and paths need not be UTF-8")
    func bytes() throws {
        let path = RepositoryPath(bytes: Array("/d/".utf8) + [0xFF, 0xC3, 0x28, 10])
        let made = try MadeCatalog {
            try $0.add(.directory("/d"))
            try $0.add(.file(path, size: 9))
        }
        let catalog = try made.open()
        #expect(try catalog.entry(at: path)?.name.bytes == [0xFF, 0xC3, 0x28, 10])
        #expect(try catalog.list("/d").map(\.name) == [path.name])
    }

    // MARK: Chunks

    private func chunked(_ size: Int64, _ chunks: [(Int64, Int64)]) throws -> (FileCatalog, CatalogEntry) {
        let made = try MadeCatalog {
            try $0.add(EntryRow.file("/big", size: size, hash: nil).with { $0.flags |= 64 | 2 << 8 })
            for (index, chunk) in chunks.enumerated() {
                try $0.addChunk(of: "/big", offset: chunk.0, size: chunk.1, hash: .made(UInt64(index)))
            }
        }
        let catalog = try made.open()
        return (catalog, try #require(try catalog.entry(at: "/big")))
    }

    @Test("chunks come by offset, with the file's algorithm and compression")
    func chunks() throws {
        let (catalog, entry) = try chunked(10, [(7, 3), (0, 4), (4, 3)])
        let chunks = try catalog.chunks(of: entry)
        #expect(chunks.map(\.offset) == [0, 4, 7] && chunks.map(\.size) == [4, 3, 3])
        #expect(chunks.allSatisfy { $0.hash.algorithm == .shake128 && $0.compression == .zlib })
        #expect(chunks[0].object.kind == .chunk)
        #expect(chunks[0].hash.digest == ContentHash.made(1).digest)
    }

    @Test(
        "chunks that are not the file are refused",
        arguments: [
            [], [(0, 4), (4, 3)], [(0, 4), (5, 5)], [(1, 9)], [(0, 4), (3, 7)], [(0, 10), (10, 1)],
            [(0, 5), (5, 0), (5, 5)],
            [(0, 0)], [(-5, 15)], [(0, -1), (0, 11)], [(0, .max)], [(0, 4), (4, .max)], [(0, 4), (.max, 6)],
            [(0, 10), (0, 9)],
        ] as [[(Int64, Int64)]])
    func wrongChunks(_ chunks: [(Int64, Int64)]) throws {
        let (catalog, entry) = try chunked(10, chunks)
        #expect(code { _ = try catalog.chunks(of: entry) } == .malformedChunks)
    }

    @Test("chunks with values of other types are refused, and so are those of a file that has none")
    func malformedChunks() throws {
        for values: [DatabaseValue] in [
            [.text("x"), .integer(10), .blob(ContentHash.made(1).digest)], [.integer(0), .null, .blob([])],
            [.integer(0), .integer(10), .null], [.integer(0), .integer(10), .blob([1, 2])],
            [.integer(0), .integer(10), .text(String(repeating: "a", count: 20))],
        ] {
            let made = try MadeCatalog {
                try $0.add(EntryRow.file("/big", size: 10, hash: nil).with { $0.flags |= 64 })
                try $0.addChunk(of: "/big", values)
                try $0.add(.file("/small"))
            }
            let catalog = try made.open()
            let (big, small) = (try catalog.entry(at: "/big"), try catalog.entry(at: "/small"))
            let entries = (try #require(big), try #require(small))
            #expect(code { _ = try catalog.chunks(of: entries.0) } == .malformedChunks)
            #expect(code { _ = try catalog.chunks(of: entries.1) } == .malformedChunks)
        }
    }

    // MARK: Extended attributes

    @Test("xattrs that do not parse read as none, and those of another type are refused")
    func xattrs() throws {
        let made = try MadeCatalog {
            try $0.add(EntryRow.file("/bad").with { $0.xattr = [9, 9, 9] })
            try $0.add(EntryRow.file("/text").with { $0.raw["xattr"] = .text("user.a=b") })
            try $0.add(EntryRow.file("/empty").with { $0.xattr = [1, 0] })
        }
        let catalog = try made.open()
        let bad = try #require(try catalog.entry(at: "/bad"))
        #expect(bad.hasXattrs)
        #expect(try catalog.xattrs(of: bad).attributes.isEmpty)
        #expect(try catalog.rawXattrs(of: bad) == [9, 9, 9])
        let text = try #require(try catalog.entry(at: "/text"))
        #expect(code { _ = try catalog.xattrs(of: text) } == .malformedEntry)
        let empty = try #require(try catalog.entry(at: "/empty"))
        #expect(try catalog.xattrs(of: empty) == ExtendedAttributes())
    }
}

import CASCore
import Catalog
import CatalogFixtures
import SystemPackage
import Testing

@Suite("Schemas")
struct LayoutTests {
    private static let xattr: [UInt8] = [1, 1, 6, 1] + Array("user.av".utf8)
    private static let hash = ContentHash.made(7)

    private func make(_ layout: CatalogLayout, pageSize: Int = 1024) throws -> MadeCatalog {
        try MadeCatalog(layout: layout, pageSize: pageSize) { maker in
            try maker.add(.directory("/dir", links: 3))
            try maker.add(
                .file("/dir/file", size: 42, hash: Self.hash).with {
                    $0.uid = 1000
                    $0.gid = 4_294_967_295
                    $0.nanoseconds = 123_456_789
                    $0.xattr = Self.xattr
                    $0.linkCount = 2
                    $0.hardlinkGroup = 0x8000_0001
                })
            try maker.add(.symlink("/dir/link", to: "../$(HOME:-etc)"))
            try maker.add(.directory("/dir/nested").with { $0.flags |= 2 })
            try maker.addNested("/dir/nested", hash: Self.hash.description, size: 14336)
        }
    }

    @Test("every schema and revision is read", arguments: CatalogLayout.allCases)
    func everyLayout(_ layout: CatalogLayout) throws {
        let made = try make(layout)
        let catalog = try made.open()
        #expect(catalog.schema.revision == layout.revision)
        let expected = layout == .legacyWithoutHashes ? 0.9 : layout.schema.flatMap { Double($0) }
        #expect(catalog.schema.version == expected)
        let names = ["dir/file", "dir/link", "dir/nested"]
        #expect(try catalog.listByName("/dir").map { "dir/\($0.name)" } == names)

        let file = try #require(try catalog.entry(at: "/dir/file"))
        #expect(file.size == 42 && file.contentHash == Self.hash && file.kind == .file && file.permissions == 0o644)
        #expect(file.mtimeNanoseconds == (layout.hasNanoseconds ? 123_456_789 : nil))
        #expect(file.uid == (layout.isLegacy ? 0 : 1000) && file.gid == (layout.isLegacy ? 0 : 4_294_967_295))
        #expect(file.linkCount == (layout.isLegacy ? 1 : 2))
        #expect(file.hardlinkGroup == (layout.isLegacy ? 0 : 0x8000_0001))
        #expect(file.hasXattrs == layout.hasXattrs)
        #expect(try catalog.xattrs(of: file)["user.a"] == (layout.hasXattrs ? Array("v".utf8) : nil))
        #expect(try catalog.rawXattrs(of: file) == (layout.hasXattrs ? Self.xattr : nil))

        let link = try #require(try catalog.entry(at: "/dir/link"))
        #expect(link.kind == .symlink && link.target == Array("../$(HOME:-etc)".utf8))
        let nested = try #require(try catalog.entry(at: "/dir/nested"))
        #expect(nested.isNestedMountpoint && nested.isDirectory)

        let counters = try catalog.statistics()
        #expect(counters.missing.isEmpty && counters.own == .init() && counters.subtree == .init())
        if layout == .legacyWithoutHashes {
            #expect(code { _ = try catalog.nestedCatalogs() } == .unsupportedSchema)
            #expect(code { _ = try catalog.nestedCatalog(containing: "/dir/nested/x") } == .unsupportedSchema)
        } else {
            let size: Int64? = layout.hasMountpointSizes ? 14336 : nil
            let mount = NestedCatalog(path: "/dir/nested", hash: Self.hash, size: size)
            #expect(try catalog.nestedCatalogs() == [mount])
            #expect(try catalog.nestedCatalog(containing: "/dir/nested/x") == mount)
            #expect(try catalog.nestedCatalog(containing: "/dir/nest") == nil)
        }
    }

    @Test("any page size is read", arguments: [512, 1024, 4096, 65536])
    func pageSizes(_ pageSize: Int) throws {
        let made = try make(.newest, pageSize: pageSize)
        let catalog = try made.open()
        #expect(try catalog.list("/dir").count == 3)
        #expect(try catalog.entry(at: "/dir/file")?.size == 42)
    }

    @Test(
        "schemas that the reference refuses are refused",
        arguments: ["2.0", "2.1", "2.2", "2.3", "2.6", "3.0", "0", "-1", "2.4011", "2.3989"])
    func refused(_ version: String) throws {
        let made = try MadeCatalog { try $0.setProperty("schema", version) }
        #expect(code { _ = try made.open() } == .unsupportedSchema)
    }

    @Test("schemas that the reference takes are taken", arguments: ["2.5", "2.5000000", "2.4996", "2.4", "1.9", "0.5"])
    func taken(_ version: String) throws {
        let made = try MadeCatalog { try $0.setProperty("schema", version) }
        #expect(try made.open().list(.root).isEmpty)
    }

    @Test("a revision of the future is read as the newest known")
    func futureRevision() throws {
        let made = try MadeCatalog {
            try $0.setProperty("schema_revision", "12")
            try $0.add(.file("/a").with { $0.nanoseconds = 5 })
        }
        #expect(try made.open().entry(at: "/a")?.mtimeNanoseconds == 5)
    }

    @Test("a schema that promises more than the file has is refused")
    func promises() throws {
        let columns = try MadeCatalog(layout: .current(revision: 6)) { try $0.setProperty("schema_revision", "7") }
        #expect(code { _ = try columns.open() } == .missingColumn)
        let tables = try MadeCatalog(layout: .current(revision: 3)) { try $0.setProperty("schema_revision", "4") }
        #expect(code { _ = try tables.open() } == .missingTable)
        for table in ["catalog", "chunks", "nested_catalogs", "bind_mountpoints", "statistics", "properties"] {
            let made = try MadeCatalog { try $0.database.run("DROP TABLE \(table)") }
            #expect(code { _ = try made.open() } == .missingTable, "\(table)")
        }
    }

    @Test(
        "properties that make no sense are refused",
        arguments: [
            ("schema", "new"), ("schema", ""), ("schema", "nan"), ("schema_revision", "-1"), ("schema_revision", "x"),
            ("revision", "-5"), ("revision", "99999999999999999999"), ("TTL", "soon"), ("last_modified", "now"),
            ("volatile", "?"), ("previous_revision", "abc"), ("root_prefix", "usr"), ("root_prefix", "/usr/"),
            ("root_prefix", "/../x"), ("root_prefix", "/"), ("root_prefix", "/a//b"),
        ])
    func malformedProperties(_ key: String, _ value: String) throws {
        let made = try MadeCatalog { try $0.setProperty(key, value) }
        #expect(code { _ = try made.open() } == .malformedProperty)
    }

    @Test("properties are read as they are written")
    func properties() throws {
        let made = try MadeCatalog {
            try $0.setProperty("TTL", "900")
            try $0.setProperty("volatile", "1")
            try $0.setProperty("voms_authz", "x509%/cern")
            try $0.setProperty("revision", "18446744073")
            try $0.setProperty("last_modified", "-3")
            try $0.setProperty("previous_revision", ContentHash.made(3, .shake128).description)
            try $0.setProperty("branch", bytes: [0xFF, 0xFE])
        }
        let properties = try made.open().properties
        #expect(properties.ttl == 900 && properties.isVolatile && properties.authorization == "x509%/cern")
        #expect(properties.revision == 18_446_744_073 && properties.lastModified == -3)
        #expect(properties.previousRevision == .made(3, .shake128) && properties.values["branch"] == [0xFF, 0xFE])
    }

    @Test("zeros of any length are no previous revision", arguments: [40, 64])
    func noPreviousRevision(_ length: Int) throws {
        let made = try MadeCatalog { try $0.setProperty("previous_revision", String(repeating: "0", count: length)) }
        #expect(try made.open().properties.previousRevision == nil)
    }

    @Test("counters that the schema demands are told when missing, and lies are read as they are")
    func counters() throws {
        let made = try MadeCatalog {
            try $0.setCounter("self_regular", -5)
            try $0.setCounter("subtree_file_size", .max)
            try $0.setCounter("self_unheard_of", 1)
            try $0.database.run("DELETE FROM statistics WHERE counter = 'self_special'")
        }
        let counters = try made.open().statistics()
        #expect(counters.own.regular == -5 && counters.subtree.fileBytes == .max)
        #expect(counters.missing == ["self_special"])
        let sum = counters.subtree + counters.subtree
        #expect(sum.fileBytes == -2)
        let text = try MadeCatalog { try $0.database.run("UPDATE statistics SET value = 'many'") }
        #expect(code { _ = try text.open().statistics() } == .malformedProperty)
    }
}

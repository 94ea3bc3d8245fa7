import CASCore
import Catalog
import CatalogFixtures
import FixtureTrees
import SystemPackage
import Testing

@Suite("Mountpoints")
struct MountpointTests {
    private let hash = ContentHash.made(1, .ripemd160)

    @Test("nested catalogs and bind mountpoints are found at their paths, around them, and in a list")
    func both() throws {
        let made = try MadeCatalog {
            try $0.add(.directory("/.cvmfs").with { $0.flags |= 0x8000 })
            try $0.add(.directory("/.cvmfs/snapshots"))
            try $0.add(.directory("/.cvmfs/snapshots/v1").with { $0.flags |= 0x4000 })
            try $0.add(.directory("/usr").with { $0.flags |= 2 })
            try $0.addNested("/usr", hash: hash.description, size: 4096)
            try $0.addBind("/.cvmfs/snapshots/v1", hash: ContentHash.made(2).description)
        }
        let catalog = try made.open()
        let usr = NestedCatalog(path: "/usr", hash: hash, size: 4096)
        let tag = NestedCatalog(path: "/.cvmfs/snapshots/v1", hash: .made(2), size: nil, isBindMountpoint: true)
        #expect(try catalog.nestedCatalogs() == [tag, usr])
        #expect(try catalog.nestedCatalog(at: "/usr") == usr)
        #expect(try catalog.nestedCatalog(at: "/usr/bin") == nil)
        #expect(try catalog.nestedCatalog(at: tag.path) == tag)
        #expect(try catalog.nestedCatalog(containing: "/usr/bin/env") == usr)
        #expect(try catalog.nestedCatalog(containing: "/usr") == usr)
        #expect(try catalog.nestedCatalog(containing: "/usrlocal") == nil)
        #expect(try catalog.nestedCatalog(containing: "/us") == nil)
        #expect(try catalog.nestedCatalog(containing: .root) == nil)
        #expect(try catalog.nestedCatalog(containing: "/.cvmfs/snapshots") == nil)
        #expect(try catalog.nestedCatalog(containing: "/.cvmfs/snapshots/v1/etc") == tag)
        #expect(usr.object.kind == .catalog && usr.object.hash == hash)
        // Hidden: found, not listed.
        #expect(try catalog.entry(at: "/.cvmfs")?.isHidden == true)
        #expect(try catalog.list(.root).map(\.name) == ["usr"])
        #expect(try catalog.listByName(.root).map(\.name) == ["usr"])
        #expect(try catalog.listByName(.root, includingHidden: true).map(\.name) == [".cvmfs", "usr"])
        #expect(try catalog.entry(at: tag.path)?.isBindMountpoint == true)
    }

    @Test("of two mountpoints above a path the one nearer to the catalog's root has it")
    func nearest() throws {
        let made = try MadeCatalog {
            try $0.addNested("/a/b", hash: hash.description)
            try $0.addNested("/a", hash: ContentHash.made(5).description)
        }
        #expect(try made.open().nestedCatalog(containing: "/a/b/c")?.path == "/a")
    }

    @Test(
        "a catalog mounted elsewhere answers for the paths there",
        arguments: [
            (RepositoryPath.root, RepositoryPath("/.cvmfs/snapshots/v1")), ("/usr", "/usr"), ("/usr", .root),
            ("/usr/share", "/x"), (.root, .root),
        ])
    func elsewhere(_ rootPrefix: RepositoryPath, _ mountPath: RepositoryPath) throws {
        let made = try MadeCatalog(rootPrefix: rootPrefix) {
            try $0.add(.directory(rootPrefix.appending(RepositoryPath("/lib"))))
            try $0.add(.file(rootPrefix.appending(RepositoryPath("/lib/a")), size: 3))
            try $0.addNested(rootPrefix.appending(RepositoryPath("/lib/deep/down")), hash: hash.description)
        }
        let catalog = try made.open(at: mountPath)
        func at(_ path: String) -> RepositoryPath { mountPath.appending(RepositoryPath(path)) }
        #expect(catalog.mountPath == mountPath && catalog.rootPrefix == rootPrefix)
        #expect(try catalog.entry(at: mountPath) == catalog.rootEntry())
        #expect(try catalog.rootEntry()?.isDirectory == true)
        #expect(try catalog.entry(at: at("/lib/a"))?.size == 3)
        #expect(try catalog.entry(at: at("/lib/b")) == nil)
        #expect(try catalog.list(mountPath).map(\.name) == ["lib"])
        #expect(try catalog.list(at("/lib")).map(\.name) == ["a"])
        #expect(try catalog.listByName(at("/lib")).map(\.name) == ["a"])
        #expect(try catalog.nestedCatalogs().map(\.path) == [at("/lib/deep/down")])
        #expect(try catalog.nestedCatalog(at: at("/lib/deep/down"))?.hash == hash)
        #expect(try catalog.nestedCatalog(containing: at("/lib/deep/down/x/y"))?.path == at("/lib/deep/down"))
        #expect(try catalog.nestedCatalog(containing: at("/lib/deep")) == nil)
    }

    @Test("a path outside is no path of the catalog")
    func outside() throws {
        let made = try MadeCatalog(rootPrefix: "/usr")
        let catalog = try made.open()
        for path in ["/", "/us", "/usrlocal", "/bin/sh"] as [RepositoryPath] {
            #expect(code { _ = try catalog.entry(at: path) } == .outsideCatalog)
            #expect(code { _ = try catalog.entries(in: path) } == .outsideCatalog)
            #expect(code { _ = try catalog.entriesByName(in: path) } == .outsideCatalog)
            #expect(code { _ = try catalog.nestedCatalog(at: path) } == .outsideCatalog)
            #expect(code { _ = try catalog.nestedCatalog(containing: path) } == .outsideCatalog)
        }
    }

    @Test(
        "a malformed mountpoint is refused where it is met, and nowhere else",
        arguments: [
            ("/usr", ContentHash.made(1).description, DatabaseValue.null),
            ("/usr/../etc", ContentHash.made(1).description, .null), ("usr/a", ContentHash.made(1).description, .null),
            ("/etc/a", ContentHash.made(1).description, .null), ("", ContentHash.made(1).description, .null),
            ("/usr/a/", ContentHash.made(1).description, .null), ("/usr/a", "", .null), ("/usr/a", "abc", .null),
            ("/usr/a", ContentHash.made(1).description + "C", .null),
            ("/usr/a", ContentHash.made(1).description, .integer(-1)),
            ("/usr/a", ContentHash.made(1).description, .text("large")),
        ])
    func malformed(_ path: String, _ hash: String, _ size: DatabaseValue) throws {
        for table in ["nested_catalogs", "bind_mountpoints"] {
            let made = try MadeCatalog(rootPrefix: "/usr") {
                try $0.add(.directory("/usr/a"))
                try $0.addNested("/usr/good", hash: self.hash.description)
                try $0.database.run("INSERT INTO \(table) VALUES (?, ?, ?)", [.text(path), .text(hash), size])
            }
            let catalog = try made.open()
            #expect(code { _ = try catalog.nestedCatalogs() } == .malformedMountpoint)
            if path == "/usr/a" {
                #expect(code { _ = try catalog.nestedCatalog(at: "/usr/a") } == .malformedMountpoint)
                #expect(code { _ = try catalog.nestedCatalog(containing: "/usr/a/b") } == .malformedMountpoint)
            } else {
                #expect(try catalog.nestedCatalog(containing: "/usr/a/b") == nil)
            }
            #expect(try catalog.nestedCatalog(containing: "/usr/good/x")?.hash == self.hash)
            #expect(try catalog.entry(at: "/usr/a") != nil)
        }
    }

    @Test("whatever the mountpoints, the catalog of a path is the one that a search by hand finds")
    func filter() throws {
        var random = SeededGenerator(for: "mountpoints")
        let names = ["a", "b", "c", "aa", "a.b"]
        func path(upTo depth: Int) -> RepositoryPath {
            (0..<Int.random(in: 1...depth, using: &random)).reduce(.root) { path, _ in
                path.appending(FileName(names.randomElement(using: &random) ?? "a"))
            }
        }
        let mountpoints = Set((0..<60).map { _ in path(upTo: 5) })
        let made = try MadeCatalog {
            for mountpoint in mountpoints { try $0.addNested(mountpoint, hash: hash.description) }
        }
        let catalog = try made.open()
        for _ in 0..<3000 {
            let path = path(upTo: 7)
            var expected: RepositoryPath?
            var above: RepositoryPath? = path
            while let prefix = above {
                if mountpoints.contains(prefix) { expected = prefix }
                above = prefix.parent
            }
            #expect(try catalog.nestedCatalog(containing: path)?.path == expected, "\(path)")
        }
    }
}

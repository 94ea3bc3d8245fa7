import CASCore
import Catalog
import FixtureTrees
import Testing

@Suite("Catalogs of the reference's programs")
struct FixtureTests {
    @Test("every entry of every revision is what was published", arguments: Fixtures.all)
    func wholeTree(_ repository: FixtureRepository) throws {
        let catalogs = try FixtureCatalogs(repository)
        let published = Dictionary(uniqueKeysWithValues: try repository.entries().map { ($0.path, $0) })
        let roots = try catalogs.rootCatalogs()
        // The first revision is empty; the second one holds the tree; a third one may add to it.
        #expect(roots.count >= 2)
        for root in roots.dropLast() {
            let tree = try FixtureTree(root, of: catalogs)
            let found = Dictionary(uniqueKeysWithValues: tree.entries.map { ($0.path, $0) })
            let isAdded = { (path: RepositoryPath) in path.isInside("/images") }
            let missing = published.keys.filter { found[$0] == nil && !isAdded($0) }
            let surplus = found.keys.filter { published[$0] == nil && !isAdded($0) }
            #expect(missing.isEmpty && surplus.isEmpty, "\(missing) are missing, \(surplus) too many")
            for (path, expected) in published {
                guard let (_, entry, catalog) = found[path] else { continue }
                try compare(entry, in: catalog, with: expected)
            }
            try compareLinkGroups(found.compactMapValues { published[$0.path] == nil ? nil : $0.entry }, published)
        }
        let first = try #require(roots.last)
        #expect(try FixtureTree(first, of: catalogs).entries.count == 1)
    }

    private func compare(_ entry: CatalogEntry, in catalog: FileCatalog, with expected: FixtureEntry) throws {
        let path = expected.path
        #expect("\(entry.kind)" == expected.kind.rawValue, "\(path)")
        #expect(entry.permissions == UInt32(expected.mode), "\(path)")
        #expect(entry.uid == expected.uid && entry.gid == expected.gid, "\(path)")
        if let mtime = expected.mtime, !path.isRoot {
            #expect(entry.mtime == mtime && entry.mtimeNanoseconds == expected.mtimeNanoseconds, "\(path)")
        }
        if let size = expected.size { #expect(entry.size == size, "\(path)") }
        #expect(entry.target == expected.targetRaw ?? [], "\(path)")
        #expect(entry.device.map { [Int($0.major), Int($0.minor)] } == expected.device, "\(path)")
        let xattrs = try catalog.xattrs(of: entry).attributes
        let pairs = xattrs.map { (String(decoding: $0.name, as: UTF8.self), $0.value) }
        #expect(Dictionary(uniqueKeysWithValues: pairs) == expected.xattrs, "\(path)")
        #expect(entry.hasXattrs == !expected.xattrs.isEmpty, "\(path)")
        #expect(entry.name == path.name)
        #expect(!entry.isExternal && !entry.isHidden && !entry.isDirectIO && !entry.isBindMountpoint, "\(path)")
        #expect((entry.contentHash != nil || entry.isChunked) == (entry.kind == .file), "\(path)")
        if expected.kind != .directory, expected.linkGroup == nil {
            #expect(entry.linkCount == 1 && entry.hardlinkGroup == 0, "\(path)")
        }
    }

    /// Files with one number in the listing, and only those, share a group of their catalog.
    private func compareLinkGroups(
        _ found: [RepositoryPath: CatalogEntry], _ published: [RepositoryPath: FixtureEntry]
    ) throws {
        var groups: [Int: Set<[UInt64]>] = [:]
        for (path, expected) in published {
            guard let group = expected.linkGroup, let entry = found[path] else { continue }
            #expect(Int(entry.linkCount) == expected.linkCount, "\(path)")
            #expect(entry.hardlinkGroup > 0, "\(path)")
            groups[group, default: []].insert([UInt64(entry.hardlinkGroup)])
        }
        #expect(groups.values.allSatisfy { $0.count == 1 })
    }

    @Test("the objects that entries name are there, and unpack to the size that they say", arguments: Fixtures.small)
    func objects(_ repository: FixtureRepository) throws {
        let catalogs = try FixtureCatalogs(repository)
        var chunked = 0
        for root in try catalogs.rootCatalogs() {
            for (path, entry, catalog) in try FixtureTree(root, of: catalogs).entries where entry.kind == .file {
                #expect(entry.hashAlgorithm == repository.hashAlgorithm, "\(path)")
                // The second revision was published with the server's defaults.
                let expected = path.isInside("/images") ? .zlib : repository.fileCompression
                #expect(entry.compression == expected, "\(path)")
                if entry.isChunked {
                    chunked += 1
                    let chunks = try catalog.chunks(of: entry)
                    #expect(chunks.count > 1 && chunks.reduce(0) { $0 + $1.size } == entry.size, "\(path)")
                    for chunk in chunks {
                        #expect(try catalogs.content(chunk.object, size: .exactly(chunk.size)).count == Int(chunk.size))
                    }
                }
                if let object = entry.object {
                    #expect(
                        try catalogs.content(object, size: .exactly(entry.size)).count == Int(entry.size), "\(path)")
                }
            }
        }
        // Files without compression are too small here to be cut.
        #expect(chunked > 0 || repository.fileCompression == .none)
    }

    @Test("counters are those of the rows", arguments: Fixtures.all + [Fixtures.legacy].compactMap { $0 })
    func counters(_ repository: FixtureRepository) throws {
        let catalogs = try FixtureCatalogs(repository)
        for root in try catalogs.rootCatalogs() { _ = try checkCounters(root, catalogs) }
    }

    /// - Returns: the sum of a catalog's counters and those below it.
    private func checkCounters(
        _ catalog: FileCatalog, _ catalogs: FixtureCatalogs
    ) throws -> CatalogStatistics.Counters {
        var own = CatalogStatistics.Counters()
        for entry in try catalog.allRows().map(\.entry) {
            own.xattrs += entry.hasXattrs ? 1 : 0
            switch entry.kind {
            case .directory: own.directories += 1
            case .symlink: own.symlinks += 1
            case .file:
                own.regular += 1
                own.fileBytes += entry.size
                guard entry.isChunked else { continue }
                own.chunkedFiles += 1
                own.chunkedBytes += entry.size
                own.chunks += Int64(try catalog.chunks(of: entry).count)
            default: own.specials += 1
            }
        }
        var subtree = CatalogStatistics.Counters()
        for nested in try catalog.nestedCatalogs() {
            own.nestedCatalogs += 1
            subtree = subtree + (try checkCounters(try catalogs.open(nested.object, at: nested.path), catalogs))
        }
        let stored = try catalog.statistics()
        #expect(stored.own == own, "\(catalog.mountPath)")
        #expect(stored.subtree == subtree, "\(catalog.mountPath)")
        #expect(stored.missing.isEmpty)
        return own + subtree
    }

    @Test("catalogs say what they are", arguments: Fixtures.small)
    func properties(_ repository: FixtureRepository) throws {
        let catalogs = try FixtureCatalogs(repository)
        let manifest = try repository.manifest()
        let roots = try catalogs.rootCatalogs()
        let newest = try #require(roots.first)
        #expect(newest.schema == CatalogSchema(version: 2.5, revision: 7))
        #expect(newest.properties.revision == manifest["S"].flatMap { UInt64($0) })
        #expect(newest.properties.ttl == manifest["D"].flatMap { UInt64($0) })
        #expect(newest.properties.rootPrefix.isRoot && newest.mountPath.isRoot)
        #expect(!newest.properties.isVolatile && newest.properties.authorization == nil)
        #expect(newest.properties.lastModified ?? 0 > 1_700_000_000)
        #expect(roots.map(\.properties.revision) == (0..<UInt64(roots.count)).reversed())
        for catalog in try catalogs.withNested(newest) {
            #expect(catalog.rootPrefix == catalog.mountPath)
            #expect((catalog.properties.ttl == nil) == !catalog.mountPath.isRoot)
        }
    }

    @Test("a nested catalog's root has the attributes of its mountpoint", arguments: Fixtures.all)
    func mountpoints(_ repository: FixtureRepository) throws {
        let catalogs = try FixtureCatalogs(repository)
        let root = try catalogs.open(ObjectID(try catalogs.manifestHash("C"), kind: .catalog))
        for catalog in try catalogs.withNested(root) {
            for nested in try catalog.nestedCatalogs() {
                let outside = try #require(try catalog.entry(at: nested.path))
                let child = try catalogs.open(nested.object, at: nested.path)
                let inside = try #require(try child.rootEntry())
                #expect(outside.isNestedMountpoint && !outside.isNestedRoot)
                #expect(inside.isNestedRoot && !inside.isNestedMountpoint)
                #expect(inside.name == outside.name && inside.mode == outside.mode && inside.mtime == outside.mtime)
                #expect(inside.uid == outside.uid && inside.gid == outside.gid && inside.size == outside.size)
                #expect(inside.linkCount == outside.linkCount && inside.hasXattrs == outside.hasXattrs)
                #expect(try child.xattrs(of: inside) == catalog.xattrs(of: outside))
                #expect(try catalog.list(nested.path).isEmpty)
                #expect(try nested.size == Int64(catalogs.content(nested.object).count))
                for entry in try child.list(nested.path) {
                    let path = nested.path.appending(entry.name)
                    #expect(try catalog.entry(at: path) == nil)
                    #expect(try catalog.nestedCatalog(containing: path) == nested)
                }
            }
        }
    }

    @Test("a catalog of 2015 is read", .enabled(if: Fixtures.legacy != nil))
    func legacy() throws {
        let repository = try #require(Fixtures.legacy)
        let catalogs = try FixtureCatalogs(repository)
        let root = try catalogs.open(ObjectID(try catalogs.manifestHash("C"), kind: .catalog))
        #expect(root.schema == CatalogSchema(version: 2.5, revision: 2))
        let tree = try FixtureTree(root, of: catalogs).entries
        let counters = try root.statistics()
        // Each nested catalog's root counts twice, in it and above.
        let nested = counters.own.nestedCatalogs + counters.subtree.nestedCatalogs
        #expect(Int64(tree.count) == counters.own.entries + counters.subtree.entries - nested)
        let link = try #require(tree.first { $0.path == "/needs_migration/symlink_foo" })
        #expect(link.entry.kind == .symlink && link.entry.target == Array("foo".utf8) && link.entry.size == 3)
        let foo = try #require(tree.first { $0.path == "/hardlink_foo" }).entry
        #expect(foo.hardlinkGroup == 1 && foo.linkCount == 2 && foo.mtimeNanoseconds == nil && foo.uid == 1000)
        for (path, entry, _) in tree where entry.kind == .file {
            let object = try #require(entry.object)
            #expect(try catalogs.content(object, size: .exactly(entry.size)).count == Int(entry.size), "\(path)")
        }
    }
}

import CVMFS
import Catalog
import FixtureTrees
import Foundation
import LocalServers
import Testing

@testable import Publishing

@Suite("Trees as the reference publishes them")
struct ReferenceTreeTests {
    /// What a client reads of the newest revision.
    static func tree(of fixture: FixtureRepository) async throws -> (Snapshot, ModelTree) {
        let repository = try await Repository.open(
            fixture.name, from: ["file://" + fixture.folder.path],
            trusting: .masterKeys(in: FilePath(fixture.keyFile.path)), cache: MemoryStore(limit: .mebibytes(512)))
        let snapshot = try await repository.snapshot()
        var model = ModelTree()
        for try await entry in snapshot.walk() {
            var node = ModelTree.Node(
                kind: entry.kind, permissions: entry.permissions, uid: entry.uid, gid: entry.gid, mtime: entry.mtime,
                nanoseconds: entry.mtimeNanoseconds, target: entry.target, device: entry.device)
            node.xattrs = try await snapshot.xattrs(of: entry).attributes
            if entry.kind == .file { node.content = try await snapshot.file(entry).readAll() }
            if entry.hardlinkGroup != 0 {
                let directory = entry.path.parent ?? .root
                node.link = UInt64(bitPattern: directory.key.first) &+ UInt64(entry.hardlinkGroup)
            }
            model[entry.path] = node
        }
        return (snapshot, model)
    }

    /// Every row of a catalog, its counters and the paths of nested catalogs; what depends on when it was made and on
    /// its writer's file system left out, and the sizes of symlinks, of which the reference has two minds.
    static func content(ofCatalog file: String) throws -> [String] {
        let database = try WritableDatabase(at: file, label: "catalog")
        var lines: [String] = []
        for sql in [
            "SELECT quote(md5path_1), quote(md5path_2), quote(parent_1), quote(parent_2), quote(hardlinks & 4294967295), "
                + "quote(hardlinks >> 32 > 0), quote(hash), CASE WHEN flags & 9 THEN '' ELSE quote(size) END, quote(mode), "
                + "quote(mtime), quote(mtimens), quote(flags), quote(name), quote(symlink), quote(uid), quote(gid), "
                + "quote(xattr) FROM catalog ORDER BY md5path_1, md5path_2",
            "SELECT quote(md5path_1), quote(md5path_2), quote(offset), quote(size), quote(hash) FROM chunks ORDER BY 1, 2, 3",
            "SELECT quote(path) FROM nested_catalogs ORDER BY path",
            "SELECT counter, quote(value) FROM statistics ORDER BY counter",
            "SELECT quote(name), quote(sql) FROM sqlite_master WHERE type = 'index' ORDER BY name",
        ] {
            let columns = Int32(sql[..<(sql.range(of: " FROM")?.lowerBound ?? sql.endIndex)].count { $0 == "," })
            try database.forEachRow(of: sql) { row in
                lines.append(
                    (0...columns).map { String(decoding: row.bytes($0), as: UTF8.self) }.joined(separator: "|"))
                return true
            }
        }
        return lines
    }

    @Test("the same tree gives the same rows, chunks, counters and objects as the reference's", arguments: Fixtures.all)
    func sameRows(fixture: FixtureRepository) async throws {
        let (snapshot, model) = try await Self.tree(of: fixture)
        var options = ContentOptions()
        options.compression = fixture.fileCompression
        var repository = try TreeRepository(hash: fixture.hashAlgorithm, options: options)
        try await repository.sync(ModelSource(model))
        let defects = try await repository.defects()
        #expect(defects == [])

        let reference = try LocalStorage(at: fixture.folder.path)
        var pending: [(NestedCatalog, NestedCatalog)] = [
            (
                NestedCatalog(path: .root, hash: snapshot.rootHash, size: nil),
                NestedCatalog(path: .root, hash: repository.manifest.rootCatalog, size: nil)
            )
        ]
        var compared = 0
        while let (theirs, ours) = pending.popLast() {
            // It came from a tar archive, of which files are packed whatever the repository's compression is.
            if fixture.fileCompression == .none, ours.path == "/images/second" { continue }
            let files = ("\(repository.folder.path)/theirs", "\(repository.folder.path)/ours")
            try reference.unpack(theirs.object, to: files.0)
            try repository.storage.unpack(ours.object, to: files.1)
            let content = (try Self.content(ofCatalog: files.0), try Self.content(ofCatalog: files.1))
            #expect(content.0 == content.1, "catalog \(ours.path)")
            let catalogs = (try FileCatalog(at: FilePath(files.0)), try FileCatalog(at: FilePath(files.1)))
            let nested = (try catalogs.0.nestedCatalogs(), try catalogs.1.nestedCatalogs())
            pending += zip(nested.0.filter { !$0.isBindMountpoint }, nested.1)
            compared += 1
        }
        #expect(compared > 1)
    }

    @Test(
        "a repository that the reference began is continued: the same tree changes nothing, another one all it should",
        arguments: Fixtures.small)
    func continued(fixture: FixtureRepository) async throws {
        var (_, model) = try await Self.tree(of: fixture)
        var options = ContentOptions()
        options.compression = fixture.fileCompression
        var repository = try TreeRepository(copying: fixture, options: options)
        let same = try await repository.sync(ModelSource(model))
        // Of the repository without compression a part is packed all the same, which is not kept.
        #expect(same.stored == nil || fixture.fileCompression == .none)
        #expect(same.report.added == 0 && same.report.removed == 0)
        var random = SeededGenerator(for: "a repository that the reference began")
        for _ in 0..<2 {
            model.mutate(&random, changes: 12)
            // A marker may have gone or come with a change; one in the root makes no sense.
            model.remove("/.cvmfscatalog")
            try await repository.sync(ModelSource(model))
            let (lines, defects) = (try await repository.lines(), try await repository.defects())
            #expect(lines == model.lines())
            #expect(defects == [])
        }
    }
}

import CASCore
import Catalog
import LocalServers
import Publishing
import SystemPackage
import Testing

@Suite("Tags as a list")
struct TagListTests {
    private func root(_ revision: UInt64) -> TaggedRoot {
        let hash = ContentHash(hashing: Array("root \(revision)".utf8), with: .sha1)
        return TaggedRoot(hash: hash, size: 1000 + Int64(revision), revision: revision, timestamp: Int64(revision) * 10)
    }

    /// After so many revisions, of which some got tags.
    private func published(_ revisions: UInt64, _ names: [UInt64: String] = [:]) throws -> TagList {
        var list = TagList()
        list.moveTrunk(to: root(0), description: "empty repository")
        for revision in 1...revisions {
            list.moveTrunk(to: root(revision))
            if let name = names[revision] { try list.add(name, description: "", root: root(revision)) }
        }
        return list
    }

    private func code(_ body: () throws -> Void) -> PublishingError.Code? {
        do {
            try body()
            return nil
        } catch { return (error as? PublishingError)?.code }
    }

    @Test("publishing moves trunk, and what it was becomes trunk-previous")
    func trunks() throws {
        let list = try published(3)
        #expect(list.tags.keys.sorted() == ["trunk", "trunk-previous"])
        #expect(list.tags["trunk"]?.rootHash == root(3).hash)
        #expect(list.tags["trunk"]?.description == "current HEAD")
        #expect(list.tags["trunk-previous"]?.revision == 2)
        #expect(list.tags["trunk-previous"]?.description == "default undo target")
        #expect(list.tags["trunk-previous"]?.size == 1002)
    }

    @Test("a tag is added once, moved only to another root, and keeps its description")
    func adding() throws {
        var list = try published(2)
        try list.add("v1", description: "first", root: root(2))
        #expect(code { try list.add("v1", description: "", root: root(1)) } == .exists)
        #expect(code { try list.add("v1", description: "", root: root(2), moves: true) } == .exists)
        try list.add("v1", description: "", root: root(1), moves: true)
        #expect(list.tags["v1"]?.description == "first")
        #expect(list.tags["v1"]?.revision == 1)
        for name in ["", "trunk", "trunk-previous", "a b", "a\nb", String(repeating: "x", count: 256)] {
            #expect(code { try list.add(name, description: "", root: root(2)) } == .invalidArgument)
        }
    }

    @Test("tags are removed all together or not at all")
    func removing() throws {
        var list = try published(3, [1: "a", 2: "b"])
        #expect(code { try list.remove(["a", "missing"]) } == .noSuchEntry)
        #expect(code { try list.remove(["a", "trunk"]) } == .invalidArgument)
        #expect(list.tags.count == 4)
        #expect(try list.remove(["b", "a", "b"]).map(\.name) == ["b", "a"])
        #expect(list.tags.count == 2)
    }

    @Test("rolling back forgets what came after, and leaves nothing to undo")
    func rollback() throws {
        var list = try published(5, [1: "a", 2: "b", 4: "c"])
        let target = try list.rollbackTarget("b", current: 5)
        let gone = list.rollBack(to: target, as: root(6))
        #expect(gone.map(\.name) == ["c", "trunk-previous", "trunk"])
        #expect(list.tags.keys.sorted() == ["a", "b", "trunk"])
        #expect(list.tags["b"]?.revision == 6)
        #expect(list.tags["trunk"]?.rootHash == root(6).hash)
        #expect(code { _ = try list.rollbackTarget(nil, current: 6) } == .noSuchEntry)
        #expect(code { _ = try list.rollbackTarget("b", current: 6) } == .invalidArgument)
    }

    @Test("without a name one step is undone")
    func undo() throws {
        var list = try published(3)
        let target = try list.rollbackTarget(nil, current: 3)
        #expect(target.revision == 2)
        list.rollBack(to: target, as: root(4))
        #expect(list.tags.keys.sorted() == ["trunk"])
    }

    @Test("a branch without tags goes, and its children get its parent")
    func branches() throws {
        var list = TagList(
            tags: [
                Tag(name: "m", rootHash: root(1).hash, revision: 1, timestamp: 0, branch: "middle"),
                Tag(name: "t", rootHash: root(2).hash, revision: 2, timestamp: 0, branch: "top"),
            ],
            branches: [
                Branch(name: "middle", parent: "", initialRevision: 1),
                Branch(name: "top", parent: "middle", initialRevision: 2),
            ])
        list.moveTrunk(to: root(3))
        try list.remove(["m"])
        #expect(list.sortedBranches.map(\.name) == ["", "top"])
        #expect(list.branches["top"]?.parent == "")
        #expect(code { _ = try list.rollbackTarget("t", current: 3) } == .unsupported)
    }

    @Test("a history is read back as it was written")
    func history() throws {
        let folder = try TemporaryFolder("history")
        let list = try published(4, [2: "a", 3: "ünïcode"])
        let previous = ContentHash(hashing: [1], with: .shake128)
        let path = "\(folder.path)/history"
        try HistoryWriter.write(
            tags: list.sortedTags, branches: list.sortedBranches, fqrn: "a.b", previous: previous, to: path)
        let database = try HistoryDatabase(at: FilePath(path))
        #expect(database.fqrn == "a.b")
        #expect(database.previousRevision == previous)
        #expect(database.schemaRevision == 3)
        #expect(TagList(tags: try database.tags(), branches: try database.branches()) == list)
    }

    @Test("a reflog is read back as it was written")
    func reflog() throws {
        let folder = try TemporaryFolder("reflog")
        let references = (0..<100).map { number in
            Reference(
                kind: [.catalog, .certificate, .history, .metainfo][number % 4],
                hash: ContentHash(hashing: Array("\(number)".utf8), with: .ripemd160), timestamp: Int64(number))
        }
        let path = "\(folder.path)/reflog"
        try ReflogWriter.write(references, fqrn: "a.b", to: path)
        let database = try ReflogDatabase(at: FilePath(path))
        #expect(database.fqrn == "a.b")
        #expect(try Set(database.references()) == Set(references))
    }
}

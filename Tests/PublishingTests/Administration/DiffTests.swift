import CASCore
import CVMFS
import Catalog
import FixtureTrees
import Foundation
import LocalServers
import Publishing
import RevisionTrees
import Signing
import Synchronization
import SystemPackage
import Testing

@Suite("What differs between two revisions")
struct DiffTests {
    private final class Lines: Sendable {
        private let lines = Mutex<[String]>([])

        var all: [String] { lines.withLock { $0 } }

        func add(_ difference: PathDifference) {
            let changes = difference.changes.map(\.rawValue).joined(separator: ",")
            lines.withLock { $0.append("\(difference.kind) \(difference.path) \(changes)") }
        }
    }

    private func diff(_ storage: FilePath, _ name: String, _ old: String, _ new: String) async throws -> [String] {
        let lines = Lines()
        try await RepositoryDiff(of: name, storage: storage).run(from: old, to: new) { lines.add($0) }
        return lines.all
    }

    @Test("added, removed and changed paths come in the order of a walk, by tag, number and hash")
    func order() async throws {
        let made = try await TestRepository()
        let writer = try made.writer()
        let first = try RevisionTree(["a": [1, 2], "b": [3], "c": [4]]).publish(
            with: writer, tags: ["one"], at: WallClock.now())
        let second = try RevisionTree(["a": [1, 5, 6], "b": [3], "d": [4]]).publish(with: writer, at: WallClock.now())
        writer.close()
        let expected = [
            "modified /a/file1 size,content", "added /a/file2 ", "removed /c ", "removed /c/.cvmfscatalog ",
            "removed /c/file0 ", "added /d ", "added /d/.cvmfscatalog ", "added /d/file0 ",
        ]
        for (old, new) in [
            ("one", "trunk"), ("1", "2"), ("trunk-previous", "2"),
            (first.rootCatalog.description, second.rootCatalog.description),
        ] {
            let found = try await diff(made.storage, TestRepository.name, old, new)
            // Contents 2 and 5 differ in length or not; that is not what is asked.
            #expect(
                found.map { $0.replacing("size,content", with: "content") }
                    == expected.map { $0.replacing("size,content", with: "content") })
        }
        #expect(try await diff(made.storage, TestRepository.name, "trunk", "trunk").isEmpty)
        // From nothing: everything, and the root with its time.
        #expect(try await diff(made.storage, TestRepository.name, "0", "1").count == 11)
        for unknown in ["nonsense", "17", String(repeating: "0", count: 40)] {
            await #expect(throws: (any Error).self) {
                _ = try await diff(made.storage, TestRepository.name, "trunk", unknown)
            }
        }
    }

    @Test("catalogs that are the same are not read")
    func sameCatalogs() async throws {
        let made = try await TestRepository()
        let writer = try made.writer()
        try RevisionTree(["a": [1], "b": [2]]).publish(with: writer, at: WallClock.now())
        try RevisionTree(["a": [1], "b": [3]]).publish(with: writer, at: WallClock.now())
        writer.close()
        let nested = try await made.open().snapshot(.newest)
        let same = try #require(try await nested.nestedCatalog(at: nested.entry(at: "/a")))
        try LocalStorage(at: made.storage.string).remove(same.object)
        #expect(try await diff(made.storage, TestRepository.name, "1", "2").count == 1)
    }

    @Test("a repository of the reference is compared")
    func reference() async throws {
        let storage = FilePath(Fixtures.named("tiny").folder.path)
        let found = try await diff(storage, "tiny.example.org", "trunk-previous", "trunk")
        #expect(!found.isEmpty)
        let back = try await diff(storage, "tiny.example.org", "trunk", "trunk-previous")
        #expect(back.count == found.count)
    }
}

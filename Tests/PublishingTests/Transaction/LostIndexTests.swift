import CASCore
import CVMFS
import FixtureTrees
import Glibc
import LocalServers
import SystemPackage
import Testing

@testable import Publishing

/// In these tests zlib stands for the version of libdeflate with which a repository was begun: it packs otherwise.
@Suite("Transactions after the indexes were lost", .enabled(if: DeflaterKind.libdeflate.isAvailable))
struct LostIndexTests {
    /// A repository with `/tree`, made from `source` by another deflater than the one that it has now, without indexes.
    private func repository(_ random: inout SeededGenerator) async throws -> FreshRepository {
        let fresh = try await FreshRepository(deflater: .zlib)
        // Several of one size, one that is cut, an empty one.
        for number in 0..<6 { try fresh.folder.write(random.text(3000), to: "source/a/\(number)") }
        try fresh.folder.write(random.text(150_000), to: "source/b/large")
        try fresh.folder.write([], to: "source/b/empty")
        let transaction = try await begin(fresh)
        try await transaction.sync(from: FilePath("\(fresh.folder.path)/source"), at: "/tree")
        try await transaction.commit(tag: "old")
        try RepositorySettings(hash: .sha1, deflater: .libdeflate).write(to: StateFolder(storage: fresh.storage))
        loseIndexes(fresh)
        return fresh
    }

    private func loseIndexes(_ fresh: borrowing FreshRepository) {
        for name in ["ingest.index", "files.index"] { unlink("\(fresh.storage)/.cvmfs-state/\(name)") }
    }

    private func begin(_ fresh: borrowing FreshRepository) async throws -> Transaction {
        let sizes = try ContentPipelineTests.smallChunks
        return try await fresh.begin { $0.content.chunkSizes = sizes }
    }

    @Test("publishing what is there publishes nothing, though it would be packed otherwise by now")
    func nothingNew() async throws {
        var random = SeededGenerator(for: "publishing what is there publishes nothing")
        let fresh = try await repository(&random)
        let source = FilePath("\(fresh.folder.path)/source")
        for _ in 0..<2 {
            let transaction = try await begin(fresh)
            let report = try await transaction.sync(from: source, at: "/tree")
            #expect(report.changed == 0 && report.added == 0)
            #expect(transaction.statistics.packedBytes == 0)
            #expect(try await transaction.commit() == nil)
        }
        // Elsewhere it is the same objects, and what is new is packed.
        try fresh.folder.write(random.text(3000), to: "source/a/new")
        let transaction = try await begin(fresh)
        try await transaction.sync(from: source, at: "/copy")
        #expect(transaction.statistics.packedBytes == 3000)
        #expect(try await transaction.commit()?.revision == 2)
        let snapshot = try await fresh.snapshot()
        for name in ["a/0", "a/5", "b/empty"] {
            let (one, other) = (RepositoryPath("/tree/\(name)"), RepositoryPath("/copy/\(name)"))
            #expect(try await snapshot.entry(at: one).contentHash == snapshot.entry(at: other).contentHash)
        }
        #expect(try await fresh.defects() == [])
    }

    @Test("content that only a tag has keeps its object, too")
    func tagged() async throws {
        var random = SeededGenerator(for: "content that only a tag has")
        let fresh = try await repository(&random)
        let removal = try await begin(fresh)
        try await removal.remove("/tree")
        try await removal.commit()
        loseIndexes(fresh)
        let transaction = try await begin(fresh)
        try await transaction.sync(from: FilePath("\(fresh.folder.path)/source"), at: "/tree")
        #expect(transaction.statistics.packedBytes == 0)
        #expect(try await transaction.commit()?.revision == 3)
        #expect(try await fresh.defects() == [])
    }

    @Test("what is damaged or missing is packed anew")
    func damaged() async throws {
        var random = SeededGenerator(for: "what is damaged or missing is packed anew")
        let fresh = try await repository(&random)
        let snapshot = try await fresh.snapshot()
        let paths: [RepositoryPath] = ["/tree/a/1", "/tree/a/2"]
        for (path, damage) in zip(paths, [true, false]) {
            let file = "\(fresh.storage)/\(try #require(try await snapshot.entry(at: path).object).serverPath)"
            if damage { try writeFile([1, 2, 3], to: file) } else { #expect(unlink(file) == 0) }
        }
        let transaction = try await begin(fresh)
        let report = try await transaction.sync(from: FilePath("\(fresh.folder.path)/source"), at: "/tree")
        #expect(report.changed == 2)
        #expect(transaction.statistics.packedBytes == 6000)
        #expect(try await transaction.commit()?.revision == 2)
        let repaired = try await fresh.snapshot()
        for path in paths { #expect(try await repaired.file(path).readAll().count == 3000) }
    }

    @Test("a damaged index leaves the repository whole")
    func damagedIndex() async throws {
        var random = SeededGenerator(for: "an index that is damaged again and again")
        let fresh = try await repository(&random)
        let path = "\(fresh.storage)/.cvmfs-state/ingest.index"
        await (try begin(fresh)).abort()
        let index = try #require(readFile(path))
        for round in 0..<12 {
            var damaged = index
            for _ in 0..<(1 << (round % 10)) {
                damaged[Int.random(in: 0..<damaged.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            try writeFile(damaged, to: path)
            unlink("\(fresh.storage)/.cvmfs-state/files.index")
            let transaction = try await begin(fresh)
            try await transaction.sync(from: FilePath("\(fresh.folder.path)/source"), at: "/tree")
            try await transaction.commit()
            #expect(try await fresh.defects() == [])
        }
    }
}

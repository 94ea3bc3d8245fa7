import CVMFS
import FixtureTrees
import Foundation
import LocalServers
import Testing

@testable import Publishing

@Suite("Publishers that are killed")
struct TransactionKillTests {
    /// The stages at which the program can be killed.
    static let stages =
        ["walking"] + TransactionStage.allCases.map(\.rawValue) + CommitStage.allCases.map { "commit-\($0.rawValue)" }

    private func open(_ storage: String, _ keys: String) async throws -> Repository {
        var options = RepositoryOptions()
        // The program's time.
        options.clock = { UnixTime(1_700_000_000) }
        return try await Repository.open(
            "published.example.org", from: ["file://\(storage)"], trusting: .masterKeys(in: FilePath(keys)),
            cache: MemoryStore(limit: .mebibytes(64)), options: options)
    }

    /// What a client reads: the revision, and every entry with the name of its content.
    private func reading(_ storage: String, _ keys: String) async throws -> (UInt64, [String]) {
        let repository = try await open(storage, keys)
        let snapshot = try await repository.snapshot()
        var lines: [String] = []
        for try await entry in snapshot.walk() {
            lines.append("\(entry.path) \(entry.mtime) \(entry.contentHash?.description ?? "")")
        }
        return (snapshot.revision, lines)
    }

    /// One folder serves all stages: each leaves its left-overs to the next.
    ///
    /// CVMFS_SOAK_PUBLISH is how often all stages are gone through, once without it.
    @Test("killed at any stage, the old revision or the new one is whole, and the next publication goes through")
    func stages() async throws {
        let folder = try TemporaryFolder("kill")
        let (storage, keys, log) = ("\(folder.path)/storage", "\(folder.path)/keys", "\(folder.path)/log")
        #expect(try await PublisherProgram.run("init", storage, keys, log: log))
        var random = SeededGenerator(for: "killed at any stage")
        let source = "\(folder.path)/source"
        for index in 0..<280 {
            try folder.write(random.text(200 + index % 7), to: "source/d\(index / 20)/file-\(index)")
        }
        let rounds = ProcessInfo.processInfo.environment["CVMFS_SOAK_PUBLISH"].flatMap { Int($0) } ?? 1
        var before = try await reading(storage, keys)
        for (index, stage) in (0..<rounds).flatMap({ _ in Self.stages }).enumerated() {
            for number in 0..<10 {
                try folder.write(random.text(300), to: "source/d\((index + number) % 15)/changed-\(index)-\(number)")
            }
            let path = index % 2 == 0 ? "/" : "/tree"
            let hasEnded = try await PublisherProgram.run("sync", storage, keys, source, path, stage, log: log)
            #expect(!hasEnded, "it was not killed at \(stage)")
            let after = try await reading(storage, keys)
            #expect(after.0 == before.0 && after.1 == before.1 || after.0 == before.0 + 1, "killed at \(stage)")

            let isPublished = try await PublisherProgram.run("sync", storage, keys, source, path, log: log)
            #expect(isPublished, "\(stage): \(String(decoding: readFile(log) ?? [], as: UTF8.self))")
            before = try await reading(storage, keys)
            #expect(before.0 >= after.0)
            #expect(before.1.contains { $0.contains("changed-\(index)-9 ") }, "killed at \(stage)")
            let left = try FileNames.list("\(storage)/data/txn")
            #expect(left == [], "killed at \(stage)")
        }
        let defects = try await open(storage, keys).verify(scratch: MemoryStore(limit: .mebibytes(64))).defects
        #expect(defects == [])
    }
}

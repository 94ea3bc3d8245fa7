import CVMFS
import FixtureTrees
import Foundation
import LocalServers
import Publishing
import RevisionTrees
import Testing

@Suite("Publishers and collections that are killed")
struct CollectionKillTests {
    private static let environment = ProcessInfo.processInfo.environment

    /// The program RevisionPublisher, to its end.
    private static func run(_ arguments: [String]) async throws -> Int32 {
        let tests = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let program = URL(fileURLWithPath: tests).deletingLastPathComponent().appending(path: "RevisionPublisher").path
        return try await BlockingPool.shared.run {
            var words = ([program] + arguments).map { strdup($0) } + [nil]
            defer { for word in words { free(word) } }
            var child: pid_t = 0
            let error = posix_spawn(&child, program, nil, nil, &words, environ)
            try #require(error == 0)
            var status: Int32 = 0
            while waitpid(child, &status, 0) < 0, errno == EINTR {}
            return status & 0x7F == 0 ? status >> 8 & 0xFF : -(status & 0x7F)
        }
    }

    private func publish(
        _ made: TestRepository, seed: UInt64, revisions: Int = 1, killedAt stage: String? = nil,
        time: Int = 1
    ) async throws -> Int32 {
        try await Self.run(
            ["publish", made.storage.string, made.keysPath.string, "\(seed)", "\(revisions)"]
                + (stage.map { [$0, "\(time)"] } ?? []))
    }

    private func collect(
        _ made: TestRepository, keeping kept: Int = 0, killedAt stage: String? = nil, time: Int = 1
    ) async throws -> Int32 {
        try await Self.run(
            ["collect", made.storage.string, "\(kept)"] + (stage.map { [$0, "\(time)"] } ?? []))
    }

    private static let killed = -SIGKILL

    @Test("killed at any stage of init, there is no repository or a whole one, and init goes on with the same keys")
    func killedInitialization() async throws {
        for stage in CommitStage.allCases {
            let folder = try TemporaryFolder("init")
            let (storage, keys) = ("\(folder.path)/\(RevisionTree.repository)", "\(folder.path)/keys")
            #expect(try await Self.run(["init", storage, keys, stage.rawValue, "1"]) == Self.killed)
            let isMade = stage == .manifestReplaced || stage == .settled
            #expect((readFile("\(storage)/.cvmfspublished") != nil) == isMade, "\(stage)")
            let key = readFile("\(keys)/\(RevisionTree.repository).masterkey")
            #expect(key != nil)
            // What holds a repository is not made one again.
            #expect(try await Self.run(["init", storage, keys]) == (isMade ? 1 : 0))
            #expect(readFile("\(keys)/\(RevisionTree.repository).masterkey") == key)
            #expect(try await Self.run(["publish", storage, keys, "1", "1"]) == 0, "\(stage)")
        }
    }

    @Test("killed at any stage of a commit, the old revision or the new one is whole, and the next commit goes on")
    func killedCommits() async throws {
        let made = try await TestRepository()
        #expect(try await publish(made, seed: 1) == 0)
        var revision: UInt64 = 1
        for stage in CommitStage.allCases {
            #expect(try await publish(made, seed: 2, killedAt: stage.rawValue) == Self.killed)
            let isPublished = stage == .manifestReplaced || stage == .settled
            try await made.check("killed at \(stage)")
            let now = try await made.open().snapshot(.newest).revision
            #expect(now == revision + (isPublished ? 1 : 0), "killed at \(stage)")
            #expect(try await publish(made, seed: 3) == 0)
            try await made.check("after \(stage)")
            revision = try await made.open().snapshot(.newest).revision
            #expect(revision == now + 1)
        }
    }

    @Test("killed at any stage of a collection, every kept revision is whole, and the next collection ends it")
    func killedCollections() async throws {
        let made = try await TestRepository()
        for stage in CollectionStage.allCases {
            #expect(try await publish(made, seed: UInt64(stage.rawValue.count), revisions: 3) == 0)
            #expect(try await collect(made, killedAt: stage.rawValue) == Self.killed, "\(stage)")
            try await made.check("killed at \(stage)")
            // A policy that keeps more must not take what is half gone for whole.
            #expect(try await collect(made, keeping: 10) == 0)
            try await made.check("after \(stage)")
        }
        #expect(try await collect(made) == 0)
        try await made.check("at the end")
    }

    @Test("killed at random, publishers and collections leave every revision whole")
    func killedAtRandom() async throws {
        let kills = Self.environment["CVMFS_SOAK_KILLS"].flatMap { Int($0) } ?? 8
        let made = try await TestRepository()
        var random = SeededGenerator(for: "killed collections")
        for round in 0..<kills {
            let stage = CommitStage.allCases.randomElement(using: &random) ?? .begun
            let other = CollectionStage.allCases.randomElement(using: &random) ?? .begun
            let (seed, time) = (random.next(), Int.random(in: 1...3, using: &random))
            async let publisher = publish(made, seed: seed, revisions: 3, killedAt: stage.rawValue, time: time)
            async let collector = collect(
                made, keeping: round % 3, killedAt: other.rawValue, time: other == .batch ? time * 3 : 1)
            let results = try await (publisher, collector)
            #expect([0, Self.killed].contains(results.0) && [0, Self.killed].contains(results.1), "round \(round)")
            if kills < 50 || round % 10 == 9 { try await made.check("round \(round), seed \(random.seed)") }
        }
        #expect(try await collect(made) == 0)
        #expect(try await publish(made, seed: 1) == 0)
        try await made.check("at the end, seed \(random.seed)")
    }
}

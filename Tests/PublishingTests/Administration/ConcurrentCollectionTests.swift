import CVMFS
import FixtureTrees
import Foundation
import LocalServers
import Publishing
import RevisionTrees
import Signing
import Synchronization
import SystemPackage
import Testing

@Suite("Publishing and collecting concurrently")
struct ConcurrentCollectionTests {
    private static let environment = ProcessInfo.processInfo.environment

    private final class Flag: Sendable {
        private let value = Atomic(false)

        var isSet: Bool { value.load(ordering: .relaxed) }

        func set() { value.store(true, ordering: .relaxed) }
    }

    @Test("publications and collections that run concurrently leave every revision whole")
    func concurrent() async throws {
        let made = try await TestRepository()
        let revisions = Self.environment["CVMFS_SOAK_REVISIONS"].flatMap { Int($0) } ?? 25
        let keys = try made.keys()
        let storage = made.storage
        var random = SeededGenerator(for: "concurrent collection")
        let seed = random.next()
        let isDone = Flag()
        let collections = try await withThrowingTaskGroup(of: Int.self) { group in
            group.addTask {
                defer { isDone.set() }
                var random = SeededGenerator(seed: seed)
                var tree = RevisionTree.random(using: &random)
                for revision in 0..<revisions {
                    // Few contents, so that most of what is taken up has just been condemned.
                    tree.change(contents: 12, using: &random)
                    let next = tree
                    try await BlockingPool.shared.run {
                        let writer = try RepositoryWriter.open(TestRepository.name, storage: storage, keys: keys)
                        defer { writer.close() }
                        try next.publish(
                            with: writer, tags: revision % 10 == 0 ? ["t\(revision)"] : [], at: WallClock.now())
                    }
                }
                return 0
            }
            group.addTask {
                var collections = 0
                repeat {
                    var collection = GarbageCollection(of: TestRepository.name, storage: storage)
                    collection.keptRevisions = collections % 2
                    collection.orphanSeconds = collections % 3 == 0 ? 0 : nil
                    _ = try await collection.run()
                    collections += 1
                } while !isDone.isSet
                return collections
            }
            return try await group.reduce(0, +)
        }
        #expect(collections > 0)
        try await made.check("seed \(random.seed), \(collections) collections")
        var last = GarbageCollection(of: TestRepository.name, storage: made.storage)
        last.keptRevisions = 0
        _ = try await last.run()
        try await made.check("seed \(random.seed), at the end")
    }
}

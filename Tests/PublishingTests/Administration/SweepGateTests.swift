import LocalServers
import Publishing
import Synchronization
import SystemPackage
import Testing

@Suite("The gate between writers and collections")
struct SweepGateTests {
    @Test("a gate held exclusively keeps others out, and lets those that share in together")
    func excludes() async throws {
        let folder = try TemporaryFolder("gate")
        let state = StateFolder(storage: FilePath(folder.path))
        try state.make()
        // Two gates, as two processes have them.
        let gates = [SweepGate(state), SweepGate(state)]
        let counts = Counts()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for worker in 0..<4 {
                group.addTask {
                    for turn in 0..<50 {
                        if (worker + turn) % 3 == 0 {
                            try gates[worker % 2].exclusive {
                                if counts.inside.exchange(1000, ordering: .relaxed) != 0 {
                                    counts.mistakes.add(1, ordering: .relaxed)
                                }
                                counts.inside.store(0, ordering: .relaxed)
                            }
                        } else {
                            try gates[worker % 2].shared {
                                if counts.inside.add(1, ordering: .relaxed).oldValue >= 1000 {
                                    counts.mistakes.add(1, ordering: .relaxed)
                                }
                                counts.inside.subtract(1, ordering: .relaxed)
                            }
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(counts.mistakes.load(ordering: .relaxed) == 0)
    }

    @Test("two that share are inside at the same time")
    func shares() throws {
        let folder = try TemporaryFolder("gate")
        let state = StateFolder(storage: FilePath(folder.path))
        try state.make()
        let gate = SweepGate(state)
        let depth = try gate.shared { try SweepGate(state).shared { try gate.shared { 3 } } }
        #expect(depth == 3)
    }
}

private final class Counts: Sendable {
    let inside = Atomic(0)
    let mistakes = Atomic(0)
}

internal import CVMFS
internal import FUSE
internal import Synchronization

/// Lets the kernel forget nodes that nobody uses, when the table has little room left.
final class TableRelief: Sendable {
    private static let step = 1024

    private let table: NodeTable
    private let session: Session
    private let isRunning = Atomic(false)

    init(table: NodeTable, session: Session) {
        self.table = table
        self.session = session
    }

    /// Begins, unless it is under way; from any thread.
    func begin() {
        guard !isRunning.exchange(true, ordering: .relaxed) else { return }
        Task(priority: .low) { [self] in
            // A kernel that cannot be told forgets by itself when its memory is short.
            try? await BlockingPool.shared.run { [self] in try relieve() }
            isRunning.store(false, ordering: .relaxed)
        }
    }

    private func relieve() throws {
        if session.agreement.hasPrune {
            for first in stride(from: 2, to: table.slots, by: Self.step) where table.isNearlyFull {
                let nodes = table.nodes(from: first, count: Self.step)
                if !nodes.isEmpty { _ = try session.prune(nodes) }
            }
        } else {
            // Below a name that is invalidated everything goes that is not in use.
            for (node, parent) in table.directories() where parent == NodeTable.root {
                _ = try session.invalidate(table.name(of: node.slot).span, in: .root)
            }
        }
    }
}

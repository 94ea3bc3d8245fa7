internal import FUSE
internal import Synchronization

/// The contents that are read now or were a while ago, up to a bound of descriptors.
///
/// There is no OPEN and no RELEASE, so what was not read for the longest time goes.
final class OpenContents: Sendable {
    private struct State {
        var contents: [NodeID: (content: NodeContent, lastUse: UInt64)] = [:]
        var clock: UInt64 = 0
    }

    private let limit: Int
    private let state = Mutex(State())

    init(limit: Int) { self.limit = max(8, limit) }

    subscript(node: NodeID) -> NodeContent? {
        state.withLock { state in
            guard let index = state.contents.index(forKey: node) else { return nil }
            state.clock += 1
            state.contents.values[index].lastUse = state.clock
            return state.contents.values[index].content
        }
    }

    /// Keeps a content; another thread's, if it was faster.
    func keep(_ content: NodeContent, of node: NodeID) -> NodeContent {
        var dropped: [NodeContent] = []
        let kept = state.withLock { state -> NodeContent in
            if let other = state.contents[node] { return other.content }
            if state.contents.count >= limit {
                // A quarter at once, so that the sort is paid for by many.
                let oldest = state.contents.sorted { $0.value.lastUse < $1.value.lastUse }.prefix(limit / 4)
                for (node, entry) in oldest {
                    dropped.append(entry.content)
                    state.contents[node] = nil
                }
            }
            state.clock += 1
            state.contents[node] = (content, state.clock)
            return content
        }
        // Descriptors are closed outside the lock.
        dropped.removeAll()
        return kept
    }

    func drop(_ node: NodeID) {
        let dropped = state.withLock { $0.contents.removeValue(forKey: node) }
        _ = dropped
    }

    /// Lets go of all, so that nothing of theirs is kept from eviction.
    func removeAll() {
        let dropped = state.withLock { state in
            defer { state.contents = [:] }
            return state.contents
        }
        _ = dropped
    }

    var count: Int { state.withLock { $0.contents.count } }
}

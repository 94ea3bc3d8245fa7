internal import CVMFS
internal import Synchronization

/// The snapshot that a mount shows, by the number that the table of nodes knows it by.
final class MountedView: Sendable {
    let number: UInt32
    let snapshot: Snapshot

    init(number: UInt32, snapshot: Snapshot) {
        self.number = number
        self.snapshot = snapshot
    }
}

/// The view in use, and a few of before for listings that began in them.
final class Views: Sendable {
    private struct State {
        var current: MountedView
        var previous: [MountedView] = []
    }

    private let state: Mutex<State>

    init(_ first: MountedView) { state = Mutex(State(current: first)) }

    var current: MountedView { state.withLock { $0.current } }

    subscript(number: UInt32) -> MountedView? {
        state.withLock { state in
            state.current.number == number ? state.current : state.previous.first { $0.number == number }
        }
    }

    /// - Returns: the one that was in use.
    func replace(by view: MountedView) -> MountedView {
        state.withLock { state in
            let old = state.current
            state.previous.append(old)
            if state.previous.count > MountLimits.keptSnapshots { state.previous.removeFirst() }
            state.current = view
            return old
        }
    }

    /// Goes back to the view that was in use before the last `replace`.
    func restore(_ view: MountedView) {
        state.withLock { state in
            state.previous.removeAll { $0 === view }
            state.current = view
        }
    }
}

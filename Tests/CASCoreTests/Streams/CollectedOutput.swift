import CASCore
import Synchronization

/// Keeps what a decoder gives out; fails on request.
final class CollectedOutput: ContentOutput {
    private struct State {
        var bytes: [UInt8] = []
        var restarts = 0
        var capacity = Int.max
    }

    private let state = Mutex(State())

    /// - Parameter capacity: more bytes than these are answered with `noSpace`.
    init(capacity: Int = .max) { state.withLock { $0.capacity = capacity } }

    var bytes: [UInt8] { state.withLock { $0.bytes } }
    var restarts: Int { state.withLock { $0.restarts } }

    func restart() {
        state.withLock { state in
            state.bytes = []
            state.restarts += 1
        }
    }

    func write(_ bytes: RawSpan) throws(CASError) {
        let isTaken = state.withLock { state in
            guard bytes.byteCount <= state.capacity - state.bytes.count else { return false }
            bytes.withUnsafeBytes { state.bytes.append(contentsOf: $0) }
            return true
        }
        if !isTaken { throw CASError(.noSpace, "the output is full") }
    }
}

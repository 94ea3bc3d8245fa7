public import CASCore
import Synchronization

/// A sink that keeps what it is given and what is done to it, for tests of transports.
public final class RecordingSink: ByteSink {
    public enum Call: Sendable, Hashable {
        case restart(expectedLength: Int?)
        case write(count: Int)
        case finish
    }

    private struct State {
        var calls: [Call] = []
        var bytes: [UInt8] = []
        var isBusy = false
        var hasOverlap = false
    }

    private let state = Mutex(State())
    private let reaction: @Sendable (Call) throws -> Void

    /// - Parameter reaction: called in each call, after it was recorded; what it throws the sink throws.
    public init(reaction: @escaping @Sendable (Call) throws -> Void = { _ in }) {
        self.reaction = reaction
    }

    /// All calls so far.
    public var calls: [Call] { state.withLock { $0.calls } }

    /// The bytes since the last restart.
    public var bytes: [UInt8] { state.withLock { $0.bytes } }

    /// Whether a call was made while another one was under way.
    public var hasOverlappingCalls: Bool { state.withLock { $0.hasOverlap } }

    /// Whether `finish` was called.
    public var isFinished: Bool { calls.last == .finish }

    public func restart(expectedLength: Int?) throws {
        try record(.restart(expectedLength: expectedLength)) { $0.bytes = [] }
    }

    public func write(_ bytes: RawSpan) throws {
        let copy = bytes.withUnsafeBytes { Array($0) }
        try record(.write(count: copy.count)) { $0.bytes += copy }
    }

    public func finish() throws { try record(.finish) { _ in } }

    private func record(_ call: Call, _ change: (inout sending State) -> Void) throws {
        state.withLock { state in
            if state.isBusy { state.hasOverlap = true }
            state.isBusy = true
            state.calls.append(call)
            change(&state)
        }
        defer { state.withLock { $0.isBusy = false } }
        try reaction(call)
    }
}

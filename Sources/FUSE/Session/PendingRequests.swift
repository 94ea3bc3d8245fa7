internal import Synchronization

/// Whether one waiting request was interrupted, and who wants to know.
final class Interruption: Sendable {
    private struct State {
        var isInterrupted = false
        var body: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())

    var isInterrupted: Bool { state.withLock { $0.isInterrupted } }

    func notify(_ body: @escaping @Sendable () -> Void) {
        let isLate = state.withLock { state in
            if !state.isInterrupted { state.body = body }
            return state.isInterrupted
        }
        if isLate { body() }
    }

    /// The answer was given.
    func settle() {
        // Let go of outside the lock: what it keeps may do anything when it goes.
        _ = state.withLock { $0.body.take() }
    }

    func interrupt() {
        let body = state.withLock { state in
            state.isInterrupted = true
            return state.body.take()
        }
        body?()
    }
}

/// The requests that are answered later, so that an interrupt finds them.
///
/// What is answered at once is never here: an interrupt that finds nothing is remembered for a while, as the handler on
/// another thread may be about to defer the request.
final class PendingRequests: Sendable {
    private struct State {
        var waiting: [UInt64: Interruption] = [:]
        var early: [UInt64] = []
        var nextEarly = 0
    }

    private let state = Mutex(State())

    var count: Int { state.withLock { $0.waiting.count } }

    /// `nil` when there are too many.
    func add(_ unique: UInt64) -> Interruption? {
        let number = Self.number(unique)
        let interruption = Interruption()
        let (isEarly, isFull) = state.withLock { state in
            guard state.waiting.count < FUSELimits.deferredRequests else { return (false, true) }
            state.waiting[number] = interruption
            guard let index = state.early.firstIndex(of: number) else { return (false, false) }
            // No request has this number.
            state.early[index] = 0
            return (true, false)
        }
        if isFull { return nil }
        if isEarly { interruption.interrupt() }
        return interruption
    }

    func remove(_ unique: UInt64) {
        _ = state.withLock { $0.waiting.removeValue(forKey: Self.number(unique)) }
    }

    func interrupt(_ unique: UInt64) {
        let number = Self.number(unique)
        let found: Interruption? = state.withLock { state in
            if let waiting = state.waiting[number] { return waiting }
            if state.early.count < FUSELimits.earlyInterrupts {
                state.early.append(number)
            } else {
                state.early[state.nextEarly] = number
                state.nextEarly = (state.nextEarly + 1) % FUSELimits.earlyInterrupts
            }
            return nil
        }
        found?.interrupt()
    }

    /// The same whether a request was sent again or not.
    private static func number(_ unique: UInt64) -> UInt64 { unique & ~Request.resentBit }
}

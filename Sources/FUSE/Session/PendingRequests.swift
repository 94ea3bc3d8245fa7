internal import CFUSE
internal import Glibc
internal import Synchronization

/// Whether one waiting request was interrupted, and who wants to know.
final class Interruption: Sendable {
    private struct State {
        var isInterrupted = false
        var body: (@Sendable () -> Void)?
    }

    /// The thread that waits; 0 when that is not known.
    let thread: UInt32
    private let state = Mutex(State())

    init(thread: UInt32 = 0) { self.thread = thread }

    /// Whether a signal waits that is to end the call. What cannot be told does.
    var endsCall: Bool { WaitingSignals(ofThread: thread)?.endsCall ?? true }

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
///
/// The kernel interrupts a request once, for any signal. If that one is none to end the call, those that come after it
/// are looked for from here.
final class PendingRequests: Sendable {
    private struct State {
        var waiting: [UInt64: Interruption] = [:]
        var early: [UInt64] = []
        var nextEarly = 0
        /// Requests whose interrupt was of no meaning.
        var watched: Set<UInt64> = []
        var isWatching = false
    }

    /// How often a watched request's signals are looked at, in microseconds: a program that is to end does so late by that.
    private static let watchPeriod: UInt32 = 50_000

    private let state = Mutex(State())

    var count: Int { state.withLock { $0.waiting.count } }

    /// `nil` when there are too many.
    ///
    /// - Parameter thread: the one that waits.
    func add(_ unique: UInt64, thread: UInt32 = 0) -> Interruption? {
        let number = Self.number(unique)
        let interruption = Interruption(thread: thread)
        let (isEarly, isFull) = state.withLock { state in
            guard state.waiting.count < FUSELimits.deferredRequests else { return (false, true) }
            state.waiting[number] = interruption
            guard let index = state.early.firstIndex(of: number) else { return (false, false) }
            // No request has this number.
            state.early[index] = 0
            return (true, false)
        }
        if isFull { return nil }
        if isEarly { consider(interruption, number) }
        return interruption
    }

    func remove(_ unique: UInt64) {
        let number = Self.number(unique)
        let removed = state.withLock { state in
            state.watched.remove(number)
            return state.waiting.removeValue(forKey: number)
        }
        _ = removed
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
        if let found { consider(found, number) }
    }

    /// The same whether a request was sent again or not.
    private static func number(_ unique: UInt64) -> UInt64 { unique & ~Request.resentBit }

    // MARK: Signals

    private func consider(_ interruption: Interruption, _ number: UInt64) {
        if interruption.endsCall { return interruption.interrupt() }
        let begins = state.withLock { state in
            // It may have been answered meanwhile.
            guard state.waiting[number] === interruption else { return false }
            state.watched.insert(number)
            defer { state.isWatching = true }
            return !state.isWatching
        }
        guard begins else { return }
        let context = Unmanaged.passRetained(self)
        let result = cfuse_start_thread(
            "fuse-signals", { Unmanaged<PendingRequests>.fromOpaque($0!).takeRetainedValue().watch() },
            context.toOpaque())
        guard result != 0 else { return }
        context.release()
        state.withLock { $0.isWatching = false }
        interruption.interrupt()
    }

    /// Until no request is left whose signals are to be looked at.
    private func watch() {
        while true {
            usleep(Self.watchPeriod)
            let watched = state.withLock { state -> [Interruption] in
                let found = state.watched.compactMap { state.waiting[$0] }
                if found.isEmpty { state.isWatching = false }
                return found
            }
            if watched.isEmpty { return }
            for interruption in watched where interruption.endsCall { interruption.interrupt() }
        }
    }
}

import Synchronization

/// Carries one response from the event loop to the task that waits for it, through a bounded buffer.
///
/// The loop never waits: a full buffer makes it pause the transfer, and the task says when there is room again. The
/// task is woken when the body is complete or a good piece of it is there, so that a small object costs one wake-up.
final class BodyPipe: Sendable {
    /// What the task gets at once.
    struct Delivery {
        /// The response has begun, and its body has so many bytes if the server said it.
        var start: (expectedLength: Int?, Void)?
        var bytes: [UInt8] = []
        /// The transfer has ended, with the number of requests that it took.
        var outcome: Result<Int, TransportError>?
        /// The loop has paused the transfer, and must be told that there is room again.
        var wasFull = false
        /// The task was cancelled.
        var isCancelled = false
    }

    /// What became of bytes that the loop offered.
    enum Acceptance {
        case taken
        /// Nothing was taken; the same bytes are to be offered again later.
        case full
        /// Nobody wants them any more.
        case closed
    }

    private struct State {
        var next = Delivery()
        var hasStarted = false
        var isClosed = false
        var waiter: CheckedContinuation<Void, Never>?

        var isWorthDelivering: Bool {
            next.outcome != nil || next.wasFull || isClosed || next.bytes.count >= TransportLimits.deliveryBytes
        }

        /// The waiting task, if there is something for it. The caller resumes it outside the lock.
        mutating func takeWaiter() -> CheckedContinuation<Void, Never>? {
            guard isWorthDelivering else { return nil }
            defer { waiter = nil }
            return waiter
        }
    }

    private let state = Mutex(State())

    // MARK: The loop's side

    /// The response's head is in, and good.
    func start(expectedLength: Int64?) {
        state.withLock { state in
            guard !state.hasStarted else { return }
            state.hasStarted = true
            let length = expectedLength.flatMap { Int(exactly: $0) }
            state.next.start = (length, ())
            if let length { state.next.bytes.reserveCapacity(min(length, TransportLimits.bufferedBytes)) }
        }
    }

    func append(_ bytes: UnsafeRawBufferPointer) -> Acceptance {
        let (acceptance, waiter) = state.withLock { state -> (Acceptance, CheckedContinuation<Void, Never>?) in
            if state.isClosed { return (.closed, nil) }
            if !state.next.bytes.isEmpty, state.next.bytes.count + bytes.count > TransportLimits.bufferedBytes {
                state.next.wasFull = true
                return (.full, state.takeWaiter())
            }
            state.next.bytes.append(contentsOf: bytes)
            return (.taken, state.takeWaiter())
        }
        waiter?.resume()
        return acceptance
    }

    /// The transfer has ended; only the first call counts.
    func finish(_ outcome: Result<Int, TransportError>) {
        let waiter = state.withLock { state in
            if state.next.outcome == nil { state.next.outcome = outcome }
            return state.takeWaiter()
        }
        waiter?.resume()
    }

    /// Nobody wants the rest.
    var isClosed: Bool { state.withLock { $0.isClosed } }

    // MARK: The task's side

    /// Waits for the next bytes or the end.
    /// - Parameter spare: an array that is done with; its memory is used again.
    func next(recycling spare: inout [UInt8]) async -> Delivery {
        if let delivery = take(recycling: &spare) { return delivery }
        while true {
            await withCheckedContinuation { continuation in
                let isReady = state.withLock { state in
                    if state.isWorthDelivering { return true }
                    state.waiter = continuation
                    return false
                }
                if isReady { continuation.resume() }
            }
            if let delivery = take(recycling: &spare) { return delivery }
        }
    }

    /// Ends the wait and everything else. What the loop still has goes nowhere.
    func close() {
        let waiter = state.withLock { state in
            state.isClosed = true
            return state.takeWaiter()
        }
        waiter?.resume()
    }

    private func take(recycling spare: inout [UInt8]) -> Delivery? {
        spare.removeAll(keepingCapacity: true)
        return state.withLock { state in
            guard state.isWorthDelivering else { return nil }
            var delivery = Delivery()
            swap(&spare, &delivery.bytes)
            swap(&delivery, &state.next)
            delivery.isCancelled = state.isClosed
            // The end is said once, but stays: the loop may say another one later.
            state.next.outcome = delivery.outcome
            return delivery
        }
    }
}

internal import CASCore
internal import Synchronization

/// Memory that may be in use at once; whoever wants more waits, in the order of asking.
final class MemoryBudget: Sendable {
    private struct Waiter {
        let number: UInt64
        let bytes: Int
        let continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var free: Int
        var waiters: [Waiter] = []
        var lastNumber: UInt64 = 0
    }

    /// Where large pieces come from. How much of it is in use is the budget's business; a little stays mapped.
    let rooms = InflateBudget(bytes: .max, idleBytes: PipelineLimits.idleBytes)
    private let total: Int
    private let state: Mutex<State>

    init(bytes: Int) {
        total = bytes
        state = Mutex(State(free: bytes))
    }

    /// Waits until so many bytes are free, and takes them. More than there are in all are given when nothing else is in
    /// use.
    /// - Throws: `CancellationError`.
    func take(_ bytes: Int) async throws {
        let number = state.withLock { state in
            state.lastNumber += 1
            return state.lastNumber
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                let answer = state.withLock { state -> Result<Void, any Error>? in
                    // Looked at inside the lock, because the handler below takes it too.
                    if Task.isCancelled { return .failure(CancellationError()) }
                    if state.waiters.isEmpty, fits(bytes, state) {
                        state.free -= bytes
                        return .success(())
                    }
                    state.waiters.append(Waiter(number: number, bytes: bytes, continuation: continuation))
                    return nil
                }
                if let answer { continuation.resume(with: answer) }
            }
        } onCancel: {
            let waiter = state.withLock { state -> Waiter? in
                guard let index = state.waiters.firstIndex(where: { $0.number == number }) else { return nil }
                return state.waiters.remove(at: index)
            }
            waiter?.continuation.resume(throwing: CancellationError())
            give(0)
        }
    }

    /// Gives memory back.
    func give(_ bytes: Int) {
        let served = state.withLock { state -> [Waiter] in
            state.free += bytes
            var served: [Waiter] = []
            while let next = state.waiters.first, fits(next.bytes, state) {
                state.free -= next.bytes
                served.append(state.waiters.removeFirst())
            }
            return served
        }
        for waiter in served { waiter.continuation.resume() }
    }

    private func fits(_ bytes: Int, _ state: borrowing State) -> Bool { bytes <= state.free || state.free == total }
}

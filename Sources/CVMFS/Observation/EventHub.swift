internal import Synchronization

/// Hands every event to every listener; a slow listener loses the oldest ones, and nobody waits for it.
final class EventHub: Sendable {
    /// Events kept for a listener that does not read: a walk over a large image, at 200 bytes each.
    private static let backlog = 4096

    private struct State {
        var listeners: [Int: AsyncStream<FetchEvent>.Continuation] = [:]
        var nextID = 0
    }

    private let state = Mutex(State())
    // Looked at before the lock, so that nobody listening costs nothing.
    private let hasListeners = Atomic(false)

    func listen() -> AsyncStream<FetchEvent> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: FetchEvent.self, bufferingPolicy: .bufferingNewest(Self.backlog))
        let id = state.withLock { state in
            defer { state.nextID += 1 }
            state.listeners[state.nextID] = continuation
            return state.nextID
        }
        hasListeners.store(true, ordering: .relaxed)
        continuation.onTermination = { [weak self] _ in self?.remove(id) }
        return stream
    }

    func send(_ event: @autoclosure () -> FetchEvent) {
        guard hasListeners.load(ordering: .relaxed) else { return }
        let event = event()
        let listeners = state.withLock { Array($0.listeners.values) }
        for listener in listeners { listener.yield(event) }
    }

    private func remove(_ id: Int) {
        state.withLock { state in
            state.listeners[id] = nil
            hasListeners.store(!state.listeners.isEmpty, ordering: .relaxed)
        }
    }

    deinit {
        for listener in state.withLock({ $0.listeners.values }) { listener.finish() }
    }
}

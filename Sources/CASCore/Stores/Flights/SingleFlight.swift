internal import Synchronization

/// Makes concurrent requests for one thing share one effort.
///
/// The effort is a task of its own on `BlockingPool.shared`, since it must outlive any one of those who wait for it. A
/// waiter that is cancelled returns at once; when all are, the task is cancelled. Demand that joins a prefetch makes it
/// demand: the task's priority is raised, and if the pool has not come to it yet, a second one overtakes it.
package final class SingleFlight<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private typealias Table = FlightTable<Key, CheckedContinuation<Value, any Error>, Task<Void, Never>>

    private let table = Mutex(Table())
    private let lastWaiter = Atomic<UInt64>(0)

    package init() {}

    /// The value of `body`, or of another's that is under way for the same key.
    /// - Throws: what the `body` that ran throws, or `CancellationError`.
    package func value(
        of key: Key, priority: FetchPriority, _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        let number = lastWaiter.add(1, ordering: .relaxed).newValue
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { waiter in
                let joining = table.withLock { table -> Table.Joining? in
                    // Looked at inside the lock, because the handler below takes it too: either it finds this waiter,
                    // or the task was cancelled before this line and says so here.
                    if Task.isCancelled { return nil }
                    return table.join(key, number: number, waiter: waiter, priority: priority)
                }
                switch joining {
                case nil: waiter.resume(throwing: CancellationError())
                case .sendRunner(let id), .sendAnotherRunner(let id): sendRunner(id, key, priority, body)
                case .raise(let runners): for runner in runners { runner.escalatePriority(to: priority.ofTasks) }
                case .wait: break
                }
            }
        } onCancel: {
            guard let (waiter, runners) = table.withLock({ $0.leave(key, number: number) }) else { return }
            for runner in runners { runner.cancel() }
            waiter.resume(throwing: CancellationError())
        }
    }

    private func sendRunner(
        _ id: Table.FlightID, _ key: Key, _ priority: FetchPriority,
        _ body: @escaping @Sendable () async throws -> Value
    ) {
        let runner = Task(executorPreference: BlockingPool.shared, priority: priority.ofTasks) { [self] in
            guard table.withLock({ $0.begin(id, of: key) }) else { return }
            do {
                deliver(try await body(), id, key)
            } catch {
                for waiter in table.withLock({ $0.finish(id, of: key) }) { waiter.resume(throwing: error) }
            }
        }
        if !table.withLock({ $0.attach(runner, to: id, of: key) }) { runner.cancel() }
    }

    /// Gives the value to all who wait for it, and keeps nothing: who drops it again must be able to rely on nobody
    /// holding it open, or else it could not be evicted yet.
    private func deliver(_ value: consuming Value, _ id: Table.FlightID, _ key: Key) {
        var waiters = table.withLock { $0.finish(id, of: key) }
        guard let last = waiters.popLast() else { return }
        for waiter in waiters { waiter.resume(returning: copy value) }
        last.resume(returning: value)
    }
}

extension FetchPriority {
    /// The priority of a task that does such work: `BlockingPool` keeps what is below `.medium` for last.
    var ofTasks: TaskPriority {
        switch self {
        case .prefetch: .utility
        case .demand: .high
        }
    }
}

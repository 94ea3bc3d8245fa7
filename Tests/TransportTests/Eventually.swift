import Dispatch

/// Waits for something that happens on other threads and has no end that one could wait for; gives up after long.
func eventually(_ what: String, _ condition: () throws -> Bool) async throws {
    struct NeverHappened: Error { let what: String }
    let patience = ContinuousClock.now + .seconds(60)
    while try !condition() {
        guard ContinuousClock.now < patience else { throw NeverHappened(what: what) }
        try await Task.sleep(for: .milliseconds(2))
    }
}

/// Holds back threads (not tasks) until a test lets them go.
final class Gate: Sendable {
    private let semaphore = DispatchSemaphore(value: 0)

    func wait() {
        semaphore.wait()
        semaphore.signal()
    }

    func open() { semaphore.signal() }
}

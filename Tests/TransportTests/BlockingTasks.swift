import CASCore
import Glibc

extension BlockingPool {
    /// Runs async code whose sinks block, as the callers of transports do.
    func runTask<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) async throws -> Result {
        try await Task(executorPreference: self) { try await body() }.value
    }
}

/// Lets other threads run.
func pauseThread() { usleep(500) }

/// For processes of their own: other threads may read the environment meanwhile.
func setEnvironment(_ name: String, _ value: String) { setenv(name, value, 1) }

/// Bounds a check: what waits for ever fails it instead of stopping the tests.
func withDeadline(_ body: @escaping @Sendable () async throws -> Void) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: .seconds(120))
            throw ConformanceFailure("", "is not over after two minutes")
        }
        defer { group.cancelAll() }
        try await group.next()
    }
}

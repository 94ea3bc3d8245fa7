internal import CASCore
internal import Synchronization

/// Lets one task at a time pack some content, and gives the others that have the same content its result.
final class ContentFlights: Sendable {
    struct Key: Hashable, Sendable {
        let content: StrongDigest
        let kind: ObjectKind
    }

    private let waiters = Mutex<[Key: [CheckedContinuation<ContentHash?, Never>]]>([:])

    /// The object of the content: what `body` returns, or what it returned to another task at the same time. When that
    /// one fails the next tries.
    func object(
        of key: Key, _ body: nonisolated(nonsending) () async throws -> ContentHash
    ) async throws -> ContentHash {
        while true {
            let isFirst = waiters.withLock { waiters in
                guard waiters[key] == nil else { return false }
                waiters[key] = []
                return true
            }
            if isFirst {
                do {
                    let object = try await body()
                    land(key, object)
                    return object
                } catch {
                    land(key, nil)
                    throw error
                }
            }
            if let object = await other(key) { return object }
        }
    }

    /// What the task that is first comes to; `nil` when it has failed or has just landed.
    private func other(_ key: Key) async -> ContentHash? {
        await withCheckedContinuation { continuation in
            let waits = waiters.withLock { waiters in
                guard waiters[key] != nil else { return false }
                waiters[key]?.append(continuation)
                return true
            }
            if !waits { continuation.resume(returning: nil) }
        }
    }

    private func land(_ key: Key, _ object: ContentHash?) {
        let others = waiters.withLock { $0.removeValue(forKey: key) } ?? []
        for other in others { other.resume(returning: object) }
    }
}

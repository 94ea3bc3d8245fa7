package import CASCore
internal import Synchronization

extension ContentPipeline {
    /// Brings back what the ingest index knew of an object: unpacks it, verified, and remembers what is in it.
    ///
    /// For a repository whose index was lost, and whose content should keep its objects though another version of the
    /// deflater would pack it otherwise. It takes the time of inflating and hashing; several may run at once.
    /// - Parameter object: of a file or a chunk.
    /// - Throws: `corrupt` when the object is missing or damaged.
    package func learn(_ object: ObjectID, from storage: LocalStorage) async throws {
        guard object.compression == options.compression, object.hash.algorithm == options.algorithm else { return }
        try await Task(executorPreference: pool) {
            let digest = DigestOutput()
            try storage.unpack(object, into: digest, limit: .max)
            self.indexes.ingest.remember(digest.digest(), as: object.hash)
        }.value
    }
}

/// Digests content instead of keeping it.
private final class DigestOutput: ContentOutput {
    private struct State: ~Copyable {
        var hasher = StrongHasher()
    }

    private let state = Mutex(State())

    func restart() { state.withLock { $0.hasher = StrongHasher() } }

    func write(_ bytes: RawSpan) {
        state.withLock { state in bytes.withUnsafeBytes { state.hasher.update($0) } }
    }

    func digest() -> StrongDigest {
        state.withLock { state in
            var hasher = StrongHasher()
            swap(&hasher, &state.hasher)
            return hasher.finalize()
        }
    }
}

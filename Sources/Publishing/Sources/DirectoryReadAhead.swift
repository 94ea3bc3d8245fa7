internal import CASCore
internal import Catalog

/// Reads a directory some entries ahead of whoever takes them, on another thread.
///
/// Looking at entries costs system calls, comparing them with a catalog costs lookups: both together keep two cores busy
/// where nothing is to be packed.
struct DirectoryReadAhead {
    /// Entries with what is known of their content, as the files index has it.
    typealias Entries = [(entry: SourceEntry, known: StoredContent?)]

    private struct Batch: Sendable {
        var source: DirectorySource
        var entries: Entries = []
        /// What ended the batch before its time, behind its entries.
        var failure: (any Error)?
        var isLast = false
    }

    private let recognise: @Sendable (FileIdentity) -> StoredContent?
    private var pending: Task<Batch, Never>?

    /// - Parameters:
    ///   - source: from its next entry on.
    ///   - recognise: says what a file was stored as when it was read before.
    init(_ source: DirectorySource, recognise: @escaping @Sendable (FileIdentity) -> StoredContent?) {
        self.recognise = recognise
        pending = Self.reading(source, recognise)
    }

    /// The next entries; `nil` behind the last.
    mutating func next() async throws -> Entries? {
        guard let task = pending else { return nil }
        pending = nil
        let batch = await task.value
        if let failure = batch.failure {
            // What came before it is still to be seen.
            guard !batch.entries.isEmpty else { throw failure }
            pending = Task { Batch(source: batch.source, failure: failure) }
        } else if !batch.isLast {
            pending = Self.reading(batch.source, recognise)
        }
        return batch.entries
    }

    /// Nobody takes further entries.
    func cancel() { pending?.cancel() }

    private static func reading(
        _ source: DirectorySource, _ recognise: @escaping @Sendable (FileIdentity) -> StoredContent?
    ) -> Task<Batch, Never> {
        Task(executorPreference: BlockingPool.shared) {
            var batch = Batch(source: source)
            batch.entries.reserveCapacity(SourceLimits.entriesAhead)
            var folders = 0
            do {
                while batch.entries.count < SourceLimits.entriesAhead, folders < SourceLimits.foldersAhead {
                    try Task.checkCancellation()
                    guard let entry = try batch.source.next() else {
                        batch.isLast = true
                        break
                    }
                    if entry.kind == .directory { folders += 1 }
                    batch.entries.append((entry, entry.identity.flatMap(recognise)))
                }
            } catch {
                batch.failure = error
            }
            return batch
        }
    }
}

public import CVMFS
internal import Glibc

/// How far the completion of an image is; the totals grow while the image is still being walked.
public struct CompletionProgress: Sendable, Hashable {
    /// Of the image's files' content, in bytes.
    public var bytes: Int64 = 0
    public var totalBytes: Int64 = 0
    /// Files whose content was fetched, and of how many.
    public var fetched = 0
    public var missing = 0
}

/// What a completion has done.
public struct CompletionReport: Sendable, Hashable {
    public let image: PinnedImage
    /// Files whose content had to be fetched.
    public let fetched: Int
    /// Plain bytes of them.
    public let fetchedBytes: Int64
}

extension Image {
    /// Fetches everything that the image still lacks, as fast as the servers deliver, and keeps it in the cache until it
    /// is released: from then on the image needs no network, no server and no credentials, also after a restart.
    ///
    /// Goes on where an earlier call was interrupted. The image may be used meanwhile; what is demanded overtakes.
    /// - Parameters:
    ///   - store: the cache that the image's repository was opened with.
    ///   - progress: called with every object that has come, from several tasks.
    ///   - clock: seconds since 1970, for the record; the system's by default.
    /// - Throws: `CVMFSError`, `CASError`, `CancellationError`. What was fetched until then stays, and stays pinned.
    @discardableResult
    public func complete(
        in store: DiskStore, progress: @escaping @Sendable (CompletionProgress) -> Void = { _ in },
        clock: (@Sendable () -> Int64)? = nil
    ) async throws -> CompletionReport {
        let clock = clock ?? { Int64(Glibc.time(nil)) }
        let pins = PinnedImages(of: store)
        let queue = CompletionQueue { store.contains($0) }
        // What is missing is fetched while the image is still walked, which keeps one core busy and no network.
        var pinned = try await withThrowingDiscardingTaskGroup { group in
            func start(_ workers: Int) {
                for _ in 0..<workers {
                    group.addTask(executorPreference: BlockingPool.shared) { await fetch(queue, progress) }
                }
            }
            var walk = ImageContentWalk(self)
            while let file = try await walk.next() { start(queue.add(file)) }
            let pinned = PinnedImage(
                repository: snapshot.repository, path: root, rootHash: snapshot.rootHash, revision: snapshot.revision,
                tag: snapshot.tag, objects: walk.content.objects.count, bytes: walk.content.bytes,
                files: walk.content.files, time: clock(), isComplete: false)
            let missing = Set(try await store.pin(pinned.name, walk.content.objects))
            try await BlockingPool.shared.run { try pins.record(pinned) }
            start(queue.pinned(missing: missing))
            return pinned
        }
        if queue.failure == nil {
            await withDiscardingTaskGroup { group in
                for _ in 0..<queue.checkDoubtful() {
                    group.addTask(executorPreference: BlockingPool.shared) { await fetch(queue, progress) }
                }
            }
        }
        try Task.checkCancellation()
        if let failure = queue.failure { throw failure }
        // One flush for all: what is recorded as complete is so after a power failure, too.
        try await store.synchronize()
        pinned.isComplete = true
        pinned.time = clock()
        try await BlockingPool.shared.run { [pinned] in try pins.record(pinned) }
        return CompletionReport(image: pinned, fetched: queue.progress.fetched, fetchedBytes: queue.fetchedBytes)
    }

    private func fetch(
        _ queue: CompletionQueue, _ progress: @Sendable (CompletionProgress) -> Void
    ) async {
        while let item = queue.next() {
            do {
                _ = try await snapshot.fetcher.object(
                    of: item.part, at: item.entry.path, isChunked: item.entry.isChunked,
                    isExternal: item.entry.isExternal, priority: .prefetch)
                progress(queue.finished(item))
            } catch { queue.failed(CVMFSError.during("cannot fetch \(item.entry.path)", error)) }
        }
    }
}

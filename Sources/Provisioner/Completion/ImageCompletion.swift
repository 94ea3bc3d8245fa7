public import CVMFS
internal import Glibc
internal import Synchronization

/// How far the completion of an image is.
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
    ///   - clock: seconds since 1970, for the record; the system's by default.
    ///   - progress: called now and then.
    /// - Throws: `CVMFSError`, `CASError`, `CancellationError`. What was fetched until then stays, and stays pinned.
    @discardableResult
    public func complete(
        in store: DiskStore, clock: (@Sendable () -> Int64)? = nil,
        progress: @escaping @Sendable (CompletionProgress) -> Void = { _ in }
    ) async throws -> CompletionReport {
        let clock = clock ?? { Int64(Glibc.time(nil)) }
        let content = try await ImageContent.of(self)
        var pinned = PinnedImage(
            repository: snapshot.repository, path: root, rootHash: snapshot.rootHash, revision: snapshot.revision,
            tag: snapshot.tag, objects: content.objects.count, bytes: content.bytes, files: content.files,
            time: clock(), isComplete: false)
        let pins = PinnedImages(of: store)
        // Pinned first, so that nothing is evicted behind the completion's back.
        let missing = Set(try await store.pin(pinned.name, content.objects))
        try await BlockingPool.shared.run { [pinned] in try pins.record(pinned) }
        let needed = content.entries.filter { !missing.isDisjoint(with: $0.objects) }
        let fetched = needed.reduce(0) { $0 + $1.entry.size }
        try await fetch(needed, of: content, progress: progress)
        // One flush for all: what is recorded as complete is so after a power failure, too.
        try await store.synchronize()
        pinned.isComplete = true
        pinned.time = clock()
        try await BlockingPool.shared.run { [pinned] in try pins.record(pinned) }
        return CompletionReport(image: pinned, fetched: needed.count, fetchedBytes: fetched)
    }

    private func fetch(
        _ needed: [ImageContent.Needed], of content: ImageContent,
        progress: @escaping @Sendable (CompletionProgress) -> Void
    ) async throws {
        let queue = CompletionQueue(needed, of: content)
        progress(queue.current)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<min(ProvisionerLimits.parallelFetches, needed.count) {
                group.addTask(executorPreference: BlockingPool.shared) { [snapshot] in
                    while let entry = queue.next() {
                        try Task.checkCancellation()
                        try await snapshot.file(entry).load(priority: .prefetch)
                        progress(queue.finished(entry))
                    }
                }
            }
            try await group.waitForAll()
        }
    }
}

/// What is still to be fetched, for the tasks that do it.
private final class CompletionQueue: Sendable {
    private let entries: [Entry]
    private let state: Mutex<(next: Int, progress: CompletionProgress)>

    init(_ needed: [ImageContent.Needed], of content: ImageContent) {
        entries = needed.map(\.entry)
        let missing = entries.reduce(0) { $0 + $1.size }
        state = Mutex(
            (
                next: 0,
                progress: CompletionProgress(
                    bytes: content.bytes - missing, totalBytes: content.bytes, missing: entries.count)
            ))
    }

    var current: CompletionProgress { state.withLock { $0.progress } }

    func next() -> Entry? {
        state.withLock { state in
            guard state.next < entries.count else { return nil }
            state.next += 1
            return entries[state.next - 1]
        }
    }

    func finished(_ entry: Entry) -> CompletionProgress {
        state.withLock { state in
            state.progress.fetched += 1
            state.progress.bytes += entry.size
            return state.progress
        }
    }
}

internal import CASCore
internal import CVMFS
internal import Synchronization

/// Fetches ahead of a program that reads one file after the other, as `tar`, `grep -r` and backups do.
///
/// Three files in the order of their folder, the last of them not at hand, begin a sweep: a walk that goes the way such
/// programs go, in listing order and depth first, some files ahead of the reader, and loads nested catalogs as it comes
/// to them. What is cached it lets the disk read. It stops when the reader leaves the way, or when everything it meets
/// is in memory.
final class SweepAhead: Sendable {
    /// A file by the row that it was looked up in.
    struct File: Hashable {
        let catalog: ContentHash
        let row: Int64
    }

    /// Rows that the reader may pass over: what is no file, or is left out.
    private static let step: Int64 = 64
    private static let beginning = 2
    private static let parallel = 16
    /// Files at hand in a row, after which there is no need for the sweep.
    private static let needless = 512
    /// How far readers that read several files at a time may lag.
    private static let lag = 16

    private struct State {
        var folder: UInt32 = 0
        var last: File?
        var streak = 0
        // The files ahead, by their place on the way.
        var ahead: [File: (place: Int, bytes: Int64)] = [:]
        var bytes: Int64 = 0
        var walk: Task<Void, Never>?
        var wake: AsyncStream<Void>.Continuation?
        var number = 0
    }

    private let fetcher: ObjectFetcher
    private let state = Mutex(State())
    private let fetched = Atomic<Int>(0)

    init(fetcher: ObjectFetcher) { self.fetcher = fetcher }

    deinit { state.withLock { $0.walk }?.cancel() }

    /// Objects fetched ahead so far.
    var objects: Int { fetched.load(ordering: .relaxed) }

    /// A file is read from its beginning.
    ///
    /// - Parameters:
    ///   - folder: its folder's record, and `path` that folder's path.
    ///   - isAtHand: whether the reader did not have to wait.
    func began(
        _ file: File, isAtHand: Bool, in folder: UInt32, _ view: MountedView, path: () -> RepositoryPath?
    ) {
        let begins = state.withLock { state -> Bool in
            if let (place, _) = state.ahead[file] {
                for (other, value) in state.ahead where other == file || value.place < place - Self.lag {
                    state.bytes -= value.bytes
                    state.ahead[other] = nil
                }
                state.last = file
                state.folder = folder
                state.wake?.yield()
                return false
            }
            let follows =
                state.last.map { last in
                    state.folder == folder && last.catalog == file.catalog && file.row > last.row
                        && file.row - last.row <= Self.step
                } ?? false
            state.streak = follows ? state.streak + 1 : 0
            state.last = file
            state.folder = folder
            guard !isAtHand, state.streak >= Self.beginning else { return false }
            state.streak = 0
            return true
        }
        guard begins, let path = path() else { return }
        begin(at: path, after: file.row, view)
    }

    /// Ends what is under way, as before another snapshot.
    func stop() {
        let walk = state.withLock { state -> Task<Void, Never>? in
            state.ahead = [:]
            state.bytes = 0
            state.wake?.finish()
            defer { state.walk = nil }
            return state.walk
        }
        walk?.cancel()
    }

    private func begin(at folder: RepositoryPath, after row: Int64, _ view: MountedView) {
        let (signals, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let old = state.withLock { state -> Task<Void, Never>? in
            state.ahead = [:]
            state.bytes = 0
            state.wake?.finish()
            state.wake = wake
            state.number += 1
            let old = state.walk
            let number = state.number
            state.walk = Task(executorPreference: BlockingPool.shared, priority: .low) { [weak self] in
                // A failure shows when the program comes there itself.
                try? await self?.walk(from: folder, after: row, view, signals, number)
                self?.ended(number)
            }
            return old
        }
        old?.cancel()
    }

    private func ended(_ number: Int) {
        state.withLock { state in
            guard state.number == number else { return }
            state.walk = nil
            state.wake = nil
        }
    }

    private func walk(
        from folder: RepositoryPath, after row: Int64, _ view: MountedView, _ signals: AsyncStream<Void>, _ number: Int
    ) async throws {
        var way = try await SweepWalk(from: folder, after: row, view.snapshot.tree)
        var signals = signals.makeAsyncIterator()
        try await withThrowingTaskGroup(of: Bool.self) { group in
            var running = 0
            var place = 0
            var needlessInRow = 0
            while let file = try await way.next() {
                try Task.checkCancellation()
                place += 1
                note(File(catalog: file.catalog, row: file.entry.rowID), place, file.parts.first?.size ?? 0, number)
                if let part = file.parts.first {
                    if running >= Self.parallel {
                        needlessInRow = try await group.next() == true ? 0 : needlessInRow + 1
                        if needlessInRow > Self.needless { return }
                        running -= 1
                    }
                    running += 1
                    group.addTask(priority: .low) { [self] in await take(part, of: file) }
                }
                while isFarAhead(number) {
                    guard await signals.next() != nil else { return }
                }
            }
        }
    }

    /// Fetches the beginning of a file, or lets the disk read it: whether there was need.
    private func take(_ part: FilePart, of file: SweepWalk.Found) async -> Bool {
        if let object = try? fetcher.cached(part.id, size: .exactly(part.size)) {
            guard !object.isInMemory else { return false }
            object.willBeRead(MountLimits.sweptBeginning)
            return true
        }
        let object = try? await fetcher.object(
            of: part, at: file.path, isChunked: file.entry.isChunked, isExternal: false, priority: .prefetch)
        if object != nil { fetched.add(1, ordering: .relaxed) }
        return true
    }

    private func note(_ file: File, _ place: Int, _ bytes: Int64, _ number: Int) {
        state.withLock { state in
            guard state.number == number else { return }
            state.ahead[file] = (place, bytes)
            state.bytes += bytes
        }
    }

    private func isFarAhead(_ number: Int) -> Bool {
        state.withLock { state in
            state.number == number
                && (state.ahead.count >= MountLimits.sweptObjects || state.bytes >= MountLimits.sweptBytes)
        }
    }
}

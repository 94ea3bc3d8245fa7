internal import CVMFS
internal import Synchronization

/// The objects that a completion still has to fetch, for the tasks that do it.
///
/// Fetching begins while the image is still being walked, so before its objects are pinned: what was there or had come by
/// then may have been evicted again, and is fetched once more.
final class CompletionQueue: Sendable {
    /// One object of a file.
    struct Item: Sendable {
        let entry: Entry
        let part: FilePart
        /// Counts files.
        let file: Int
        fileprivate let isBeforePin: Bool
    }

    private struct State {
        var items: [Item] = []
        var next = 0
        var workers = 0
        var failure: (any Error)?
        var isPinned = false
        /// Not fetched under the pin.
        var doubtful: [Item] = []
        /// Objects that a file still lacks.
        var lacking: [Int: Int] = [:]
        /// Files of which something is or was to be fetched.
        var incomplete: Set<Int> = []
        var files = 0
        var progress = CompletionProgress()
        var fetchedBytes: Int64 = 0
    }

    private let state = Mutex(State())
    private let isStored: @Sendable (ObjectID) -> Bool

    init(isStored: @escaping @Sendable (ObjectID) -> Bool) { self.isStored = isStored }

    /// Takes a file's new objects.
    /// - Returns: how many workers to start.
    func add(_ file: ImageContentWalk.Parts) -> Int {
        let missing = file.parts.map { !isStored($0.id) }
        return state.withLock { state in
            state.files += 1
            state.progress.totalBytes += file.entry.size
            for (part, isMissing) in zip(file.parts, missing) {
                let item = Item(entry: file.entry, part: part, file: state.files, isBeforePin: true)
                if isMissing {
                    state.items.append(item)
                    state.lacking[item.file, default: 0] += 1
                } else {
                    state.doubtful.append(item)
                    state.progress.bytes += part.size
                }
            }
            if missing.contains(true) { Self.note(file.entry, state.files, &state) }
            return Self.startWorkers(&state)
        }
    }

    /// From now on nothing that is stored is evicted; `missing` is what was not there when that began.
    /// - Returns: how many workers to start.
    func pinned(missing: Set<ObjectID>) -> Int {
        state.withLock { state in
            state.isPinned = true
            state.doubtful.removeAll { !missing.contains($0.part.id) }
        }
        return checkDoubtful()
    }

    /// Looks again for what was stored, or on its way, when the pin came.
    /// - Returns: how many workers to start.
    func checkDoubtful() -> Int {
        let doubtful = state.withLock { state in
            defer { state.doubtful = [] }
            return state.doubtful
        }
        let again = doubtful.filter { !isStored($0.part.id) }
        return state.withLock { state in
            Self.fetchAgain(again, &state)
            return Self.startWorkers(&state)
        }
    }

    /// The next object; `nil` when the worker is to end.
    func next() -> Item? {
        state.withLock { state in
            guard state.failure == nil, !Task.isCancelled, state.next < state.items.count else {
                state.workers -= 1
                return nil
            }
            defer { state.next += 1 }
            let item = state.items[state.next]
            return Item(entry: item.entry, part: item.part, file: item.file, isBeforePin: !state.isPinned)
        }
    }

    func finished(_ item: Item) -> CompletionProgress {
        state.withLock { state in
            if item.isBeforePin { state.doubtful.append(item) }
            state.progress.bytes += item.part.size
            let lacking = state.lacking[item.file].map { $0 - 1 }
            state.lacking[item.file] = lacking == 0 ? nil : lacking
            if lacking == 0 { state.progress.fetched += 1 }
            return state.progress
        }
    }

    func failed(_ error: any Error) { state.withLock { $0.failure = $0.failure ?? error } }

    var failure: (any Error)? { state.withLock { $0.failure } }

    var progress: CompletionProgress { state.withLock { $0.progress } }

    /// Bytes of the files that something was fetched of.
    var fetchedBytes: Int64 { state.withLock { $0.fetchedBytes } }

    private static func fetchAgain(_ again: [Item], _ state: inout State) {
        for item in again {
            if state.lacking[item.file] == nil, state.incomplete.contains(item.file) { state.progress.fetched -= 1 }
            note(item.entry, item.file, &state)
            state.items.append(item)
            state.lacking[item.file, default: 0] += 1
            state.progress.bytes -= item.part.size
        }
    }

    private static func note(_ entry: Entry, _ file: Int, _ state: inout State) {
        guard state.incomplete.insert(file).inserted else { return }
        state.progress.missing += 1
        state.fetchedBytes += entry.size
    }

    private static func startWorkers(_ state: inout State) -> Int {
        guard state.failure == nil else { return 0 }
        let waiting = state.items.count - state.next
        let new = max(0, min(ProvisionerLimits.parallelFetches - state.workers, waiting))
        state.workers += new
        return new
    }
}

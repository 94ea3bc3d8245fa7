internal import CASCore

/// Everything from a path on, depth first: a directory before what is in it, names sorted by bytes.
///
/// Holds a page of entries for each directory on the way down, so its memory is bounded by the depth and not by the
/// number of entries.
public struct Walk: AsyncSequence, Sendable {
    public typealias Element = Entry

    let snapshot: Snapshot
    let start: RepositoryPath

    public func makeAsyncIterator() -> Iterator { Iterator(snapshot: snapshot, start: start) }

    public struct Iterator: AsyncIteratorProtocol {
        private struct Level {
            var cursor: DirectoryCursor
            var page: ArraySlice<Entry>
        }

        private let snapshot: Snapshot
        private let start: RepositoryPath
        private var levels: [Level] = []
        private var isStarted = false
        // The directory that was handed out last: its children come next, unless it is skipped.
        private var toEnter: RepositoryPath?
        private let ahead: CatalogsAhead

        init(snapshot: Snapshot, start: RepositoryPath) {
            self.snapshot = snapshot
            self.start = start
            ahead = CatalogsAhead(snapshot)
        }

        /// Leaves out what is in the directory that `next` has just given.
        public mutating func skipDescendants() { toEnter = nil }

        /// - Throws: `CVMFSError` with `.noSuchEntry` for the start, `.unreachable`, `.corrupt`.
        public mutating func next() async throws -> Entry? {
            if !isStarted {
                isStarted = true
                return try await handOut(snapshot.entry(at: start))
            }
            if let path = toEnter {
                toEnter = nil
                levels.append(Level(cursor: try await DirectoryCursor(snapshot, inDirectory: path), page: []))
            }
            while let last = levels.indices.last {
                if let entry = levels[last].page.popFirst() { return handOut(entry) }
                let page = try await levels[last].cursor.nextPage()
                ahead.fetch(for: page)
                levels[last].page = page[...]
                if levels[last].page.isEmpty { levels.removeLast() }
            }
            return nil
        }

        private mutating func handOut(_ entry: Entry) -> Entry {
            if entry.kind == .directory { toEnter = entry.path }
            return entry
        }
    }
}

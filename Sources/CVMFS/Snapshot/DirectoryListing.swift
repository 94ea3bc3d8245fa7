internal import CASCore

/// The entries of a directory, sorted by the bytes of their names, fetched from the catalog page by page.
public struct DirectoryListing: AsyncSequence, Sendable {
    public typealias Element = Entry

    let snapshot: Snapshot
    let path: RepositoryPath

    public func makeAsyncIterator() -> Iterator { Iterator(snapshot: snapshot, path: path) }

    public struct Iterator: AsyncIteratorProtocol {
        private let snapshot: Snapshot
        private let path: RepositoryPath
        private var cursor: DirectoryCursor?
        private var page: ArraySlice<Entry> = []
        private var isOpened = false

        init(snapshot: Snapshot, path: RepositoryPath) {
            self.snapshot = snapshot
            self.path = path
        }

        /// - Throws: `CVMFSError` with `.noSuchEntry`, `.notADirectory`, `.unreachable`, `.corrupt`.
        public mutating func next() async throws -> Entry? {
            if let entry = page.popFirst() { return entry }
            if !isOpened {
                isOpened = true
                cursor = try await DirectoryCursor(snapshot, path)
            }
            page = try await cursor?.nextPage()[...] ?? []
            if page.isEmpty { cursor = nil }
            return page.popFirst()
        }
    }
}

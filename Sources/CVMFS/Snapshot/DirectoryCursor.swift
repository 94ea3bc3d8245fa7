internal import CASCore
internal import Catalog

/// The entries of a directory, by name, some at a time.
struct DirectoryCursor: Sendable {
    /// Entries taken at a time: enough to pay for the hop to the pool, few enough to hold for every directory on the
    /// way down.
    private static let pageLength = 256

    private let snapshot: Snapshot
    private let path: RepositoryPath
    private var names: NameOrderedCursor

    /// - Throws: `CVMFSError` with `.noSuchEntry`, `.notADirectory`, `.unreachable`, `.corrupt`.
    init(_ snapshot: Snapshot, _ path: RepositoryPath) async throws {
        let entry = try await snapshot.entry(at: path)
        guard entry.kind == .directory else {
            throw CVMFSError(.notADirectory, "\(path) is no directory but a \(entry.kind)")
        }
        self.snapshot = snapshot
        self.path = path
        let catalog = try await snapshot.catalog(ofChildrenIn: path)
        names = try snapshot.reading("\(path)") { () throws(CatalogError) in try catalog.entriesByName(in: path) }
    }

    /// The next entries; none at the end.
    mutating func nextPage() async throws -> [Entry] {
        let (path, snapshot, cursor) = (path, snapshot, names)
        let page = try await BlockingPool.shared.run {
            var cursor = cursor
            var entries: [Entry] = []
            try snapshot.reading("\(path)") { () throws(CatalogError) in
                while entries.count < Self.pageLength, let entry = try cursor.next() {
                    entries.append(Entry(path: path.appending(entry.name), attributes: entry))
                }
            }
            return (cursor, entries)
        }
        names = page.0
        return page.1
    }
}

internal import CASCore
internal import Catalog
internal import Synchronization

/// The entries of a directory, by name, some at a time.
///
/// Finding the catalog and the first page take one hop to the pool together: most directories are small, and a walk
/// enters many.
struct DirectoryCursor: Sendable {
    /// Entries taken at a time: enough to pay for the hop to the pool, few enough to hold for every directory on the
    /// way down.
    private static let pageLength = 256

    /// Shared with the pool instead of copied, since a copy of the cursor copies what it has read ahead. One reader at
    /// a time, so the lock is never waited for.
    private final class Names: Sendable {
        let cursor: Mutex<NameOrderedCursor>

        init(_ cursor: NameOrderedCursor) { self.cursor = Mutex(cursor) }
    }

    private enum Opening {
        case opened(Names, [Entry])
        /// This catalog is on the way.
        case missing(CatalogTree.Missing)
    }

    private let snapshot: Snapshot
    private let path: RepositoryPath
    private let names: Names
    private var firstPage: [Entry]?
    private var isOver = false

    /// - Throws: `CVMFSError` with `.noSuchEntry`, `.notADirectory`, `.unreachable`, `.corrupt`.
    init(_ snapshot: Snapshot, _ path: RepositoryPath) async throws {
        let entry = try await snapshot.entry(at: path)
        guard entry.kind == .directory else {
            throw CVMFSError(.notADirectory, "\(path) is no directory but a \(entry.kind)")
        }
        try await self.init(snapshot, inDirectory: path)
    }

    /// - Parameter path: is known to be that of a directory.
    init(_ snapshot: Snapshot, inDirectory path: RepositoryPath) async throws {
        self.snapshot = snapshot
        self.path = path
        while true {
            let opening = try await BlockingPool.shared.run { try Self.open(path, of: snapshot) }
            switch opening {
            case .missing(let nested): _ = try await snapshot.tree.load(nested)
            case .opened(let names, let page):
                self.names = names
                firstPage = page
                return
            }
        }
    }

    /// The next entries; none at the end.
    mutating func nextPage() async throws -> [Entry] {
        var page = firstPage ?? []
        if firstPage != nil {
            firstPage = nil
        } else if !isOver {
            page = try await BlockingPool.shared.run { [path, snapshot, names] in
                try Self.page(of: path, in: snapshot, from: names)
            }
        }
        isOver = page.count < Self.pageLength
        return page
    }

    private static func open(_ path: RepositoryPath, of snapshot: Snapshot) throws -> Opening {
        let holder = try snapshot.reading("\(path)") { () throws(CatalogError) in
            try snapshot.tree.holder(ofChildrenIn: path)
        }
        switch holder {
        case .missing(let nested): return .missing(nested)
        case .loaded(let mounted):
            let names = try snapshot.reading("\(path)") { () throws(CatalogError) in
                Names(try mounted.catalog.entriesByName(in: path))
            }
            return .opened(names, try page(of: path, in: snapshot, from: names))
        }
    }

    private static func page(
        of path: RepositoryPath, in snapshot: Snapshot, from names: Names
    ) throws -> [Entry] {
        try snapshot.reading("\(path)") { () throws(CatalogError) in
            try names.cursor.withLock { cursor throws(CatalogError) in
                var entries: [Entry] = []
                while entries.count < pageLength, let entry = try cursor.next() {
                    entries.append(Entry(path: path.appending(entry.name), attributes: entry))
                }
                return entries
            }
        }
    }
}

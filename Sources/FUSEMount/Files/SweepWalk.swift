internal import CVMFS

/// The files of a tree from some place on, in listing order and depth first: the way of programs that read everything.
struct SweepWalk {
    struct Found: Sendable {
        let path: RepositoryPath
        let entry: CatalogEntry
        let catalog: ContentHash
        let parts: [FilePart]
    }

    private struct Level {
        let path: RepositoryPath
        let catalog: CatalogTree.Mounted
        var cursor: EntryCursor
    }

    private let tree: CatalogTree
    private var levels: [Level] = []

    /// - Parameters:
    ///   - folder: where it begins,
    ///   - row: behind this one.
    init(from folder: RepositoryPath, after row: Int64, _ tree: CatalogTree) async throws {
        self.tree = tree
        var above: [(path: RepositoryPath, row: Int64)] = [(folder, row)]
        var path = folder
        while let parent = path.parent {
            guard case .found(let entry, _) = try tree.lookUp(path) else { break }
            above.append((parent, entry.rowID))
            path = parent
        }
        for (path, row) in above.reversed() { try await enter(path, after: row) }
    }

    /// The next file that has content and is in the repository.
    mutating func next() async throws -> Found? {
        while let last = levels.indices.last {
            let entry: CatalogEntry?
            do { entry = try levels[last].cursor.next() } catch { continue }
            guard let entry else {
                levels.removeLast()
                continue
            }
            guard entry.name.isValid else { continue }
            let path = levels[last].path.appending(entry.name)
            if entry.isDirectory {
                guard levels.count < MountLimits.sweptDepth else { continue }
                try await enter(path, after: .min)
                continue
            }
            guard entry.kind == .file, !entry.isExternal, entry.size > 0 else { continue }
            let catalog = levels[last].catalog
            let chunks = entry.isChunked ? try catalog.catalog.chunks(of: entry) : []
            return Found(
                path: path, entry: entry, catalog: catalog.hash,
                parts: try FilePart.parts(of: entry, at: path, chunks: chunks))
        }
        return nil
    }

    private mutating func enter(_ path: RepositoryPath, after row: Int64) async throws {
        while true {
            switch try tree.holder(ofChildrenIn: path) {
            case .loaded(let catalog):
                levels.append(
                    Level(path: path, catalog: catalog, cursor: try catalog.catalog.entries(in: path, after: row)))
                return
            case .missing(let missing): try await tree.load(missing, priority: .prefetch)
            }
        }
    }
}

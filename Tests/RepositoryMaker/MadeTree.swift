import CASCore
import CatalogFixtures

/// The entries of a repository to be made, and where catalogs are cut.
struct MadeTree: Sendable {
    struct Node: Sendable {
        var row: EntryRow
        var chunks: [MadeChunk] = []
    }

    private(set) var nodes: [RepositoryPath: Node] = [.root: Node(row: .directory(.root))]
    private(set) var mountpoints: Set<RepositoryPath> = [.root]

    /// Adds an entry, and the directories above it that are not there; replaces the one that is there.
    mutating func add(_ row: EntryRow, chunks: [MadeChunk] = []) {
        addParents(of: row.path)
        nodes[row.path] = Node(row: row, chunks: chunks)
    }

    mutating func remove(_ path: RepositoryPath) {
        nodes = nodes.filter { !$0.key.isInside(path) }
        mountpoints = mountpoints.filter { !$0.isInside(path) }
    }

    mutating func cut(at path: RepositoryPath) {
        addParents(of: path)
        if nodes[path] == nil { nodes[path] = Node(row: .directory(path)) }
        mountpoints.insert(path)
    }

    private mutating func addParents(of path: RepositoryPath) {
        var next = path.parent
        while let parent = next, nodes[parent] == nil {
            nodes[parent] = Node(row: .directory(parent))
            next = parent.parent
        }
    }

    /// The rows of every catalog, the deepest catalog first; nested roots are in two of them. Source: format 3.
    func catalogs() -> [(path: RepositoryPath, nodes: [Node])] {
        var subdirectories: [RepositoryPath: UInt32] = [:]
        for (path, node) in nodes where node.row.flags & 1 != 0 {
            if let parent = path.parent { subdirectories[parent, default: 0] += 1 }
        }
        var rows: [RepositoryPath: [Node]] = [:]
        for path in nodes.keys.sorted() {
            guard var node = nodes[path] else { continue }
            // Two is what a row has that says nothing else.
            if node.row.flags & 1 != 0, node.row.linkCount == 2 { node.row.linkCount += subdirectories[path] ?? 0 }
            if mountpoints.contains(path), !path.isRoot {
                var root = node
                root.row.flags |= 32
                rows[path, default: []].append(root)
                node.row.flags |= 2
            }
            rows[catalog(above: path), default: []].append(node)
        }
        let deepestFirst = mountpoints.sorted { ($1.bytes.count, $1) < ($0.bytes.count, $0) }
        return deepestFirst.map { ($0, rows[$0] ?? []) }
    }

    /// The catalog that holds the entry as a part of its parent directory; of the root, the root catalog.
    func catalog(above path: RepositoryPath) -> RepositoryPath {
        var next = path.parent
        while let parent = next {
            if mountpoints.contains(parent) { return parent }
            next = parent.parent
        }
        return .root
    }
}

internal import CASCore
internal import Catalog

/// Gives out a staged tree once all of it is there.
package struct StagedTreeSource: TreeSource {
    /// A directory whose names are being given out, some rows at a time.
    private struct Level {
        let inode: Int64
        let path: RepositoryPath
        var rows: ArraySlice<Row> = []
        var lastName: [UInt8] = []
        var isComplete = false
    }

    private struct Row {
        let name: FileName
        let inode: Int64
        let links: Int64
        let size: Int64
        /// Of an object as `StagingSchema` has it, or the SHA-256 of the content; empty for chunks, and for no content.
        let hash: [UInt8]
        /// `nil` when no content was stored.
        let compression: Compression?
        var entry: SourceEntry
    }

    /// Rows that all directories on the way hold at a time, of 500 bytes each.
    private static let rowsHeld = 1024

    package let label: String
    private let tree: StagedTree
    private var levels: [Level] = []
    private var isStarted = false

    package init(_ tree: StagedTree) {
        self.tree = tree
        label = tree.label
    }

    package mutating func next() throws(PublishingError) -> SourceEntry? {
        guard let row = try nextRow() else { return nil }
        guard row.entry.kind == .file else { return row.entry }
        guard let compression = row.compression else {
            throw PublishingError(.corrupt, "\(label): the content of \(row.entry.path) was not stored")
        }
        var entry = row.entry
        entry.content = .stored(
            StoredContent(
                size: row.size, whole: StagingSchema.hash(row.hash), chunks: try chunks(of: row, compression),
                compression: compression))
        return entry
    }

    /// The next entry of a tree that was staged for comparison; of a file with size and SHA-256 of its content.
    mutating func nextWithDigest() throws(PublishingError) -> (entry: SourceEntry, size: Int64, digest: [UInt8])? {
        try nextRow().map { ($0.entry, $0.size, $0.hash) }
    }

    private mutating func nextRow() throws(PublishingError) -> Row? {
        guard isStarted else {
            isStarted = true
            return enter(try root(), at: .root)
        }
        while let last = levels.indices.last {
            if let row = levels[last].rows.popFirst() {
                let path = levels[last].path.appending(row.name)
                guard path.bytes.count <= ArchiveLimits.pathBytes else {
                    throw PublishingError(
                        .source, "\(label): a path is longer than \(ArchiveLimits.pathBytes) bytes: \(path)")
                }
                return enter(row, at: path)
            }
            if levels[last].isComplete { levels.removeLast() } else { try fill(last) }
        }
        return nil
    }

    private mutating func enter(_ row: Row, at path: RepositoryPath) -> Row {
        var row = row
        row.entry.path = path
        if row.entry.kind == .directory {
            levels.append(Level(inode: row.inode, path: path))
        } else if row.links > 1 {
            row.entry.hardlink = HardlinkIdentity(device: 0, inode: UInt64(row.inode))
        }
        return row
    }

    private func chunks(of row: Row, _ compression: Compression) throws(PublishingError) -> [FileChunk] {
        guard row.hash.isEmpty else { return [] }
        var chunks: [FileChunk] = []
        try tree.staging { () throws(CatalogError) in
            try tree.database.forEachRow(
                of: "SELECT offset, size, hash FROM chunk WHERE inode=? ORDER BY offset", [.integer(row.inode)]
            ) { found in
                guard let hash = StagingSchema.hash(found.bytes(2)) else { return false }
                chunks.append(
                    FileChunk(
                        offset: found.integer(0), size: found.integer(1), hash: hash, compression: compression))
                return true
            }
        }
        return chunks
    }

    // MARK: Rows

    private static let columns =
        "id, mode, uid, gid, mtime, mtimens, device, target, xattrs, links, size, hash, compression"

    private func root() throws(PublishingError) -> Row {
        let row = try tree.staging { () throws(CatalogError) in
            try tree.database.row(
                of: "SELECT x'', \(Self.columns) FROM inode WHERE id=?", [.integer(StagedTree.root)], Self.row)
        }
        guard let row else { throw PublishingError(.corrupt, "the staged tree of \(label) has lost its root") }
        return row
    }

    private mutating func fill(_ index: Int) throws(PublishingError) {
        let level = levels[index]
        let count = max(4, Self.rowsHeld / levels.count)
        var rows: [Row] = []
        try tree.staging { () throws(CatalogError) in
            // The names first, by their key, then each inode by its own.
            try tree.database.forEachRow(
                of: """
                    SELECT name, \(Self.columns) FROM name CROSS JOIN inode ON id=inode
                    WHERE parent=? AND name>? ORDER BY name LIMIT ?
                    """, [.integer(level.inode), .blob(level.lastName), .integer(Int64(count))]
            ) { row in
                rows.append(Self.row(row))
                return true
            }
        }
        levels[index].isComplete = rows.count < count
        if let last = rows.last { levels[index].lastName = last.name.bytes }
        levels[index].rows = rows[...]
    }

    private static func row(_ row: SQLRow) -> Row {
        let mode = UInt32(truncatingIfNeeded: row.integer(2))
        let kind = EntryKind(mode: mode) ?? .file
        var entry = SourceEntry(
            path: .root, kind: kind, permissions: mode & 0o7777, uid: UInt32(truncatingIfNeeded: row.integer(3)),
            gid: UInt32(truncatingIfNeeded: row.integer(4)), mtime: row.integer(5),
            mtimeNanoseconds: Int32(truncatingIfNeeded: row.integer(6)))
        if !row.isNull(7) { entry.device = DeviceNumber(linux: UInt64(bitPattern: row.integer(7))) }
        entry.target = row.bytes(8)
        entry.xattrs = StagingSchema.xattrs(row.bytes(9))
        return Row(
            name: FileName(bytes: row.bytes(0)), inode: row.integer(1), links: row.integer(10),
            size: row.integer(11), hash: row.bytes(12),
            compression: row.isNull(13) ? nil : UInt8(exactly: row.integer(13)).flatMap(Compression.init(rawValue:)),
            entry: entry)
    }
}

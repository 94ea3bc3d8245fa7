internal import CASCore
internal import Catalog
internal import SystemPackage

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// A tree that is put together from the entries of an archive, or from those of an image's layers, one after another.
///
/// It lies in a scratch file, so its memory does not grow with it. Contents are not in it: they are stored in the
/// repository while the archive is read, and what they were stored as is noted here. Entries change the tree as
/// unpacking them in the same order would change a directory: a path that comes twice is what it was last, symlinks
/// among the parents are followed, but never out of the tree. Blocks for the disk; belongs to one task at a time.
package final class StagedTree {
    /// A directory, and how it was reached.
    private struct Place {
        var inode: Int64
        /// The names from the root, each with the directory that holds it.
        var steps: [(parent: Int64, name: [UInt8])]
    }

    static let root: Int64 = 1

    package let label: String
    let database: WritableDatabase
    private let path: FilePath
    /// The number of the layer that is being laid over the others, from 0.
    private var layer: Int64 = -1
    private var hasRoot = false
    /// The number given last. None is given twice: the content of a file that is gone may still be on its way.
    private var lastInode = StagedTree.root
    private var lastPlace: (path: [FileName], place: Place)?

    /// - Parameters:
    ///   - scratchFolder: where its file lies, which is gone when the tree is.
    ///   - label: what messages call the archive or image.
    package init(scratchFolder: String, label: String) throws(PublishingError) {
        self.label = label
        path = FilePath(scratchFolder).appending("staged-\(UInt64.random(in: 0 ... .max))")
        do throws(CatalogError) {
            database = try WritableDatabase(at: path.string, label: "the staged tree of \(label)", pageSize: 4096)
            try database.run(StagingSchema.statements)
            try database.run(
                "INSERT INTO inode(id, mode, uid, gid, mtime, mtimens, links) VALUES (1, ?, 0, 0, 0, 0, 1)",
                [.integer(Int64(EntryKind.directory.rawValue | 0o755))])
        } catch {
            throw PublishingError(.storage, "\(label) cannot be staged in \(scratchFolder)", cause: error)
        }
    }

    deinit { unlink(path.string) }

    /// What is added from now on lies over what is there.
    func beginLayer() {
        layer += 1
        lastPlace = nil
    }

    /// Adds an entry.
    ///
    /// - Parameter isLayer: whether names of whiteouts take away what lower layers hold.
    /// - Returns: of a file its number, for `setContent`; `nil` when there is no content to be stored.
    func add(_ entry: TarEntry, isLayer: Bool) throws(PublishingError) -> Int64? {
        if layer < 0 { beginLayer() }
        var names = try ArchivePath.components(of: entry.path, in: label)
        guard let name = names.popLast() else {
            guard entry.kind == .directory else {
                throw malformed(entry, "would make the root something else than a directory")
            }
            try staging { () throws(CatalogError) in try update(Self.root, entry) }
            hasRoot = true
            return nil
        }
        if isLayer, let whiteout = Whiteout(name) {
            try apply(whiteout, of: entry, in: names)
            return nil
        }
        if !hasRoot {
            // No entry says what the root is: it is as young as the first that does.
            try staging { () throws(CatalogError) in
                try database.run(
                    "UPDATE inode SET mtime=?, mtimens=? WHERE id=1",
                    [.integer(entry.mtime), .integer(Int64(entry.mtimeNanoseconds))])
            }
            hasRoot = true
        }
        let place = try directory(names, for: entry)
        let target = entry.kind == .hardlink ? try hardlinkTarget(of: entry) : nil
        var isDangling = false
        let file = try staging { () throws(CatalogError) -> Int64? in
            for step in place.steps { try touch(step.parent, step.name) }
            let existing = try lookUp(place.inode, name.bytes)
            if let existing {
                if existing.kind == .directory, entry.kind == .directory {
                    try touch(place.inode, name.bytes)
                    try update(existing.inode, entry)
                    return nil
                }
                // A link to itself changes nothing.
                if existing.inode == target { return nil }
                try remove(place.inode, name.bytes, existing)
            }
            let inode = if let target { target } else { try insert(entry) }
            if target != nil {
                try database.run("UPDATE inode SET links=links+1 WHERE id=?", [.integer(inode)])
                isDangling = database.changes == 0
            }
            try database.run(
                "INSERT INTO name VALUES (?, ?, ?, ?)",
                [.integer(place.inode), .blob(name.bytes), .integer(inode), .integer(layer)])
            return entry.kind == .file ? inode : nil
        }
        guard !isDangling else { throw malformed(entry, "is a hard link to what it takes the place of") }
        return file
    }

    /// Notes what the content of a file was stored as. A file that is gone meanwhile is passed over.
    func setContent(_ content: StoredContent, of inode: Int64) throws(PublishingError) {
        try staging { () throws(CatalogError) in
            try database.run(
                "UPDATE inode SET size=?, hash=?, compression=? WHERE id=?",
                [
                    .integer(content.size), StagingSchema.value(content.whole),
                    .integer(Int64(content.compression.rawValue)), .integer(inode),
                ])
            guard database.changes > 0 else { return }
            for chunk in content.chunks {
                try database.run(
                    "INSERT INTO chunk VALUES (?, ?, ?, ?)",
                    [
                        .integer(inode), .integer(chunk.offset), .integer(chunk.size),
                        StagingSchema.value(chunk.hash),
                    ])
            }
        }
    }

    /// Notes the digest of a file's plain content instead, for comparisons.
    func setDigest(_ digest: StrongDigest, size: Int64, of inode: Int64) throws(PublishingError) {
        try staging { () throws(CatalogError) in
            try database.run(
                "UPDATE inode SET size=?, hash=?, compression=-1 WHERE id=?",
                [.integer(size), .blob(digest.bytes), .integer(inode)])
        }
    }

    // MARK: Paths

    /// The directory with that path, symlinks followed inside the tree. What is missing of it is made.
    private func directory(_ names: [FileName], for entry: TarEntry) throws(PublishingError) -> Place {
        if let lastPlace, lastPlace.path == names { return lastPlace.place }
        var (place, missing) = try walk(names, entry)
        try staging { () throws(CatalogError) in
            for name in missing {
                // Nothing says what such a directory is: it is as young as what it was made for, so that the same
                // archive always gives the same tree.
                var made = entry
                (made.kind, made.permissions, made.uid, made.gid) = (.directory, 0o755, 0, 0)
                (made.target, made.xattrs, made.device) = ([], [:], nil)
                let inode = try insert(made)
                try database.run(
                    "INSERT INTO name VALUES (?, ?, ?, ?)",
                    [.integer(place.inode), .blob(name.bytes), .integer(inode), .integer(layer)])
                place.steps.append((place.inode, name.bytes))
                place.inode = inode
            }
        }
        lastPlace = (names, place)
        return place
    }

    /// The directory with that path, as far as it exists, and the names behind it that do not.
    private func walk(
        _ names: [FileName], _ entry: TarEntry
    ) throws(PublishingError) -> (Place, missing: [FileName]) {
        var place = Place(inode: Self.root, steps: [])
        var missing: [FileName] = []
        // In reverse order, so that the next one is last.
        var rest = Array(names.reversed())
        var symlinks = 0
        while let name = rest.popLast() {
            if name.bytes.elementsEqual("..".utf8) {
                // Only targets of symlinks have it. Above the root is the root.
                if !missing.isEmpty {
                    missing.removeLast()
                } else if let step = place.steps.popLast() {
                    place.inode = step.parent
                }
                continue
            }
            guard missing.isEmpty,
                let found = try staging({ () throws(CatalogError) in try lookUp(place.inode, name.bytes) })
            else {
                missing.append(name)
                continue
            }
            switch found.kind {
            case .directory:
                place.steps.append((place.inode, name.bytes))
                place.inode = found.inode
            case .symlink:
                symlinks += 1
                guard symlinks <= ArchiveLimits.symlinks else {
                    throw malformed(entry, "leads through more than \(ArchiveLimits.symlinks) symlinks")
                }
                let target = try staging { () throws(CatalogError) in try self.target(of: found.inode) }
                if target.first == UInt8(ascii: "/") { place = Place(inode: Self.root, steps: []) }
                for part in target.split(separator: UInt8(ascii: "/")).reversed() where !part.elementsEqual(".".utf8) {
                    rest.append(FileName(bytes: Array(part)))
                }
                guard rest.count <= ArchiveLimits.pathBytes else {
                    throw malformed(entry, "becomes longer than \(ArchiveLimits.pathBytes) names by symlinks")
                }
            case .file, .fifo, .socket, .character, .block:
                throw malformed(entry, "lies below \"\(name)\", which is no directory")
            }
        }
        for name in missing where !name.isValid {
            throw malformed(entry, "leads through a symlink with a name that is too long")
        }
        return (place, missing)
    }

    private func hardlinkTarget(of entry: TarEntry) throws(PublishingError) -> Int64 {
        var names = try ArchivePath.components(of: entry.target, in: label)
        let target = TarReader.quoted(entry.target)
        guard let name = names.popLast() else { throw malformed(entry, "is a hard link to the root") }
        let (place, missing) = try walk(names, entry)
        guard missing.isEmpty,
            let found = try staging({ () throws(CatalogError) in try lookUp(place.inode, name.bytes) })
        else { throw malformed(entry, "is a hard link to \(target), which is not there") }
        guard found.kind != .directory else { throw malformed(entry, "is a hard link to the directory \(target)") }
        return found.inode
    }

    // MARK: Whiteouts

    private func apply(_ whiteout: Whiteout, of entry: TarEntry, in names: [FileName]) throws(PublishingError) {
        let (place, missing) = try walk(names, entry)
        guard missing.isEmpty else { return }
        switch whiteout {
        case .nothing: break
        case .entry(let name):
            guard name.isValid else { throw malformed(entry, "is a whiteout of no name") }
            try staging { () throws(CatalogError) in
                guard let found = try lookUp(place.inode, name.bytes) else { return }
                try whiteOut([(place.inode, name.bytes, found)])
            }
        case .opaque:
            try staging { () throws(CatalogError) in try whiteOut(try children(of: place.inode)) }
        }
    }

    /// Removes what lower layers have put there; what this layer has brought stays, wherever in the layer it stands.
    private func whiteOut(_ names: [(parent: Int64, name: [UInt8], found: Found)]) throws(CatalogError) {
        var pending = names
        while let next = pending.popLast() {
            if next.found.layer != layer {
                try remove(next.parent, next.name, next.found)
            } else if next.found.kind == .directory {
                pending += try children(of: next.found.inode)
            }
        }
    }

    // MARK: Rows

    /// What a name leads to.
    private struct Found {
        let inode: Int64
        let layer: Int64
        let kind: EntryKind
    }

    private func lookUp(_ parent: Int64, _ name: [UInt8]) throws(CatalogError) -> Found? {
        try database.row(
            of: "SELECT inode, layer, mode FROM name JOIN inode ON id=inode WHERE parent=? AND name=?",
            [.integer(parent), .blob(name)]
        ) { row in Self.found(row, 0) }
    }

    private func children(of directory: Int64) throws(CatalogError) -> [(parent: Int64, name: [UInt8], found: Found)] {
        var children: [(parent: Int64, name: [UInt8], found: Found)] = []
        try database.forEachRow(
            of: "SELECT name, inode, layer, mode FROM name JOIN inode ON id=inode WHERE parent=?",
            [.integer(directory)]
        ) { row in
            children.append((directory, row.bytes(0), Self.found(row, 1)))
            return true
        }
        return children
    }

    private static func found(_ row: SQLRow, _ column: Int32) -> Found {
        Found(
            inode: row.integer(column), layer: row.integer(column + 1),
            kind: EntryKind(mode: UInt32(truncatingIfNeeded: row.integer(column + 2))) ?? .file)
    }

    private func target(of inode: Int64) throws(CatalogError) -> [UInt8] {
        try database.row(of: "SELECT target FROM inode WHERE id=?", [.integer(inode)]) { $0.bytes(0) } ?? []
    }

    private func insert(_ entry: TarEntry) throws(CatalogError) -> Int64 {
        lastInode += 1
        try database.run(
            """
            INSERT INTO inode(id, mode, uid, gid, mtime, mtimens, device, target, xattrs, links)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1)
            """,
            [.integer(lastInode)] + values(entry) + [
                entry.device.map { .integer(Int64(bitPattern: $0.linux)) } ?? .null, .blob(entry.target),
                StagingSchema.value(entry.xattrs),
            ])
        return lastInode
    }

    private func update(_ inode: Int64, _ entry: TarEntry) throws(CatalogError) {
        try database.run(
            "UPDATE inode SET mode=?, uid=?, gid=?, mtime=?, mtimens=?, xattrs=? WHERE id=?",
            values(entry) + [StagingSchema.value(entry.xattrs), .integer(inode)])
    }

    private func values(_ entry: TarEntry) -> [SQLValue] {
        [
            .integer(Int64(entry.mode)), .integer(Int64(entry.uid)), .integer(Int64(entry.gid)),
            .integer(entry.mtime), .integer(Int64(entry.mtimeNanoseconds)),
        ]
    }

    /// This layer has something there, or below.
    private func touch(_ parent: Int64, _ name: [UInt8]) throws(CatalogError) {
        try database.run(
            "UPDATE name SET layer=?1 WHERE parent=?2 AND name=?3 AND layer<>?1",
            [.integer(layer), .integer(parent), .blob(name)])
    }

    /// Removes a name and, of a directory, all below it.
    private func remove(_ parent: Int64, _ name: [UInt8], _ found: Found) throws(CatalogError) {
        lastPlace = nil
        try database.run("DELETE FROM name WHERE parent=? AND name=?", [.integer(parent), .blob(name)])
        var pending = [found]
        while let next = pending.popLast() {
            if next.kind == .directory {
                pending += try children(of: next.inode).map(\.found)
                try database.run("DELETE FROM name WHERE parent=?", [.integer(next.inode)])
            }
            try database.run("UPDATE inode SET links=links-1 WHERE id=?", [.integer(next.inode)])
            try database.run("DELETE FROM inode WHERE id=? AND links<=0", [.integer(next.inode)])
            guard database.changes > 0, next.kind == .file else { continue }
            try database.run("DELETE FROM chunk WHERE inode=?", [.integer(next.inode)])
        }
    }

    // MARK: Errors

    /// Says of the scratch file's errors where they are from.
    func staging<Result>(_ body: () throws(CatalogError) -> Result) throws(PublishingError) -> Result {
        do throws(CatalogError) {
            return try body()
        } catch {
            throw PublishingError(.storage, "\(label) cannot be staged", cause: error)
        }
    }

    private func malformed(_ entry: TarEntry, _ what: String) -> PublishingError {
        PublishingError(.source, "\(label): the entry \(TarReader.quoted(entry.path)) \(what)")
    }
}

extension TarEntry {
    /// Kind and permissions; of a hardlink a file's.
    fileprivate var mode: UInt32 {
        let kind: EntryKind =
            switch self.kind {
            case .file, .hardlink: .file
            case .directory: .directory
            case .symlink: .symlink
            case .character: .character
            case .block: .block
            case .fifo: .fifo
            }
        return kind.rawValue | permissions
    }
}

internal import CASCore
internal import Catalog
internal import DequeModule

/// Makes a part of a tree what a source is, in one walk over both.
///
/// Where they agree nothing is written, and files that are known are not read. Contents are packed meanwhile, many at a
/// time; entries are written in the order of the walk, so that the catalogs do not depend on which is ready first.
struct TreeSync {
    /// A directory of the source that the walk is in.
    private struct Level {
        let path: RepositoryPath
        /// What is left of the directory as it was; `nil` when it is new.
        var rows: DirectoryRows?
        var peeked: (name: FileName, record: EntryRecord)?
        var lastName: FileName?
        let isNew: Bool
        /// The names of files with several names, by file.
        var links: [HardlinkIdentity: [FileName]] = [:]
        var linksInOrder: [HardlinkIdentity] = []

        mutating func nextRow() throws -> (name: FileName, record: EntryRecord)? {
            if let row = peeked {
                peeked = nil
                return row
            }
            return try rows?.next()
        }
    }

    /// A change that is made when all before it are.
    private enum Change {
        case remove(EntryRecord, RepositoryPath)
        case insert(EntryRecord, RepositoryPath)
        case setDirectory(EntryRecord, RepositoryPath)
        case replace(EntryRecord, with: EntryRecord, RepositoryPath)
        /// A file whose content was read.
        case file(EntryRecord, old: EntryRecord?, RepositoryPath, PendingContent)
        case storedFile(EntryRecord, old: EntryRecord?, RepositoryPath, StoredContent)
        case links([[FileName]], RepositoryPath)
        case nest(RepositoryPath)
    }

    private let tree: WritableTree
    private let pipeline: ContentPipeline
    private let top: RepositoryPath
    private var levels: [Level] = []
    private var changes: Deque<Change> = []
    private var linked: [HardlinkIdentity: (directory: RepositoryPath, content: LinkedContent?)] = [:]
    /// Nested catalogs to be made or merged when the walk is over, since rows are being read from where they are.
    private var laterNested: [RepositoryPath] = []
    private var laterMerged: [RepositoryPath] = []
    private(set) var report = PublishingReport()
    private let progress: (@Sendable (PublishingReport) -> Void)?
    private var steps = 0

    /// What the content of a file with several names was found to be.
    private enum LinkedContent {
        case stored(StoredContent)
        case pending(PendingContent)
    }

    /// - Parameter top: the directory that becomes the source.
    init(
        _ tree: WritableTree, _ pipeline: ContentPipeline, at top: RepositoryPath,
        progress: (@Sendable (PublishingReport) -> Void)? = nil
    ) {
        self.tree = tree
        self.pipeline = pipeline
        self.top = top
        self.progress = progress
    }

    /// Does it all.
    /// - Parameter nestsTop: whether the top is to be a nested catalog of its own.
    mutating func run(_ source: inout some TreeSource, nestsTop: Bool) async throws -> PublishingReport {
        guard let root = try source.next(), root.path.isRoot, root.kind == .directory else {
            throw PublishingError(.source, "\(source.label): does not begin with a directory as its root")
        }
        try await enterTop(root, nests: nestsTop)
        if let directory = source as? DirectorySource {
            var ahead = DirectoryReadAhead(directory, recognise: pipeline.recognised)
            defer { ahead.cancel() }
            while let entries = try await ahead.next() {
                for (entry, known) in entries { try await step(entry, known, source.label) }
            }
        } else {
            while let entry = try source.next() {
                try await step(entry, entry.identity.flatMap(pipeline.recognised), source.label)
            }
        }
        while !levels.isEmpty { try await leaveLevel() }
        try await settle(downTo: 0)
        for directory in laterMerged { try tree.merge(directory) }
        for directory in laterNested { try tree.makeNested(directory) }
        progress?(report)
        return report
    }

    /// - Parameter known: what a file was stored as when it was read before.
    private mutating func step(_ entry: SourceEntry, _ known: StoredContent?, _ label: String) async throws {
        try Task.checkCancellation()
        let path = top.appending(entry.path)
        try await leaveLevels(above: path, label)
        try await visit(entry, known, at: path, label)
        steps += 1
        if steps % 256 == 0 { progress?(report) }
    }

    // MARK: Walking

    private mutating func enterTop(_ root: SourceEntry, nests: Bool) async throws {
        let wanted = record(of: root, at: top)
        if let old = try tree.record(at: top) {
            guard old.isDirectory else { preconditionFailure("unreachable: the caller makes room for the top") }
            try await enterDirectory(wanted, old: old, at: top)
            if nests, try !tree.isNestedRoot(top) { laterNested.append(top) }
        } else {
            try await enterDirectory(wanted, old: nil, at: top)
            if nests { try await add(.nest(top)) }
        }
    }

    /// Ends the directories that the walk has left when it comes to a path.
    private mutating func leaveLevels(above path: RepositoryPath, _ label: String) async throws {
        while let level = levels.last, !isParent(level.path, of: path) {
            guard levels.count > 1 else {
                throw PublishingError(.source, "\(label): \(path) comes without the directory above it")
            }
            try await leaveLevel()
        }
    }

    private func isParent(_ directory: RepositoryPath, of path: RepositoryPath) -> Bool {
        path.bytes.count > directory.bytes.count + 1 && path.isInside(directory)
            && !path.bytes[(directory.bytes.count + 1)...].contains(UInt8(ascii: "/"))
    }

    private mutating func visit(
        _ entry: SourceEntry, _ known: StoredContent?, at path: RepositoryPath, _ label: String
    ) async throws {
        let last = levels.count - 1
        let name = path.name
        guard name.isValid else { throw PublishingError(.source, "\(label): \(path) has a name that no file can have") }
        if let before = levels[last].lastName, name <= before {
            throw PublishingError(.source, "\(label): \(path) comes twice, or not in the order of names")
        }
        guard path.bytes.count <= SourceLimits.pathBytes else {
            throw PublishingError(.unsupported, "\(path): the path is longer than \(SourceLimits.pathBytes) bytes")
        }
        levels[last].lastName = name
        let old = try await rowForName(name, in: last)
        try checkReserved(entry, at: path, label)
        let wanted = record(of: entry, at: path)
        if entry.kind == .directory {
            if let old, !old.isDirectory { try await add(.remove(old, path)) }
            let oldDirectory = old?.isDirectory == true ? old : nil
            if oldDirectory?.role == .bindMountpoint {
                throw PublishingError(.unsupported, "\(path): another catalog is mounted here, which cannot be changed")
            }
            try await enterDirectory(wanted, old: oldDirectory, at: path)
            return
        }
        var oldEntry = old
        if let old, old.isDirectory {
            try await add(.remove(old, path))
            oldEntry = nil
        }
        var record = wanted
        if let link = entry.hardlink {
            if levels[last].links[link] == nil { levels[last].linksInOrder.append(link) }
            levels[last].links[link, default: []].append(name)
            // The group is set when the whole directory is known.
            record.hardlinkGroup = oldEntry?.hardlinkGroup ?? 0
            record.linkCount = oldEntry?.linkCount ?? 1
        }
        if entry.kind == .file {
            try await visitFile(entry, known, record, old: oldEntry, at: path)
        } else {
            try noteLink(entry, at: path, nil)
            try await put(record, old: oldEntry, at: path)
        }
        if name == NestedMarker.name, entry.kind == .file {
            try await visitMarker(in: levels[last].path, isNew: levels[last].isNew)
        }
    }

    /// Goes on in the old directory up to a name; what comes before it is gone.
    private mutating func rowForName(_ name: FileName, in level: Int) async throws -> EntryRecord? {
        while let row = try levels[level].nextRow() {
            if name < row.name {
                levels[level].peeked = row
                return nil
            }
            if row.name == name { return row.record }
            try await removeOld(row.record, at: levels[level].path.appending(row.name))
        }
        return nil
    }

    private mutating func removeOld(_ record: EntryRecord, at path: RepositoryPath) async throws {
        // Hidden entries are those that the repository has for its own sake, not for that of a source.
        guard !record.isHidden else { return }
        if path.name == NestedMarker.name, record.kind == .file, let directory = path.parent, !directory.isRoot {
            laterMerged.append(directory)
        }
        try await add(.remove(record, path))
    }

    private mutating func enterDirectory(
        _ wanted: EntryRecord, old: EntryRecord?, at path: RepositoryPath
    ) async throws {
        guard let old else {
            report.added += 1
            try await add(.insert(wanted, path))
            levels.append(Level(path: path, isNew: true))
            return
        }
        if isSame(wanted, old) {
            report.unchanged += 1
        } else {
            report.changed += 1
            try await add(.setDirectory(wanted, path))
        }
        levels.append(Level(path: path, rows: try tree.rows(in: path), isNew: false))
    }

    private mutating func leaveLevel() async throws {
        guard var level = levels.popLast() else { return }
        while let row = try level.nextRow() {
            try await removeOld(row.record, at: level.path.appending(row.name))
        }
        let groups = level.linksInOrder.compactMap { level.links[$0] }
        if !groups.isEmpty { try await add(.links(groups, level.path)) }
    }

    // MARK: Entries

    /// What an entry of the source should be in the catalog, but for its content.
    private mutating func record(of entry: SourceEntry, at path: RepositoryPath) -> EntryRecord {
        var record = EntryRecord(
            kind: entry.kind, permissions: entry.permissions, uid: entry.uid, gid: entry.gid, mtime: entry.mtime,
            mtimeNanoseconds: entry.mtimeNanoseconds)
        record.target = entry.target
        record.device = entry.device
        if !entry.xattrs.isEmpty {
            let (stored, unfit) = ExtendedAttributes.blob(of: entry.xattrs)
            record.xattrs = stored
            if !unfit.isEmpty {
                let names = unfit.map { String(decoding: $0, as: UTF8.self) }.joined(separator: ", ")
                report.warn(
                    path, "extended attributes that the format cannot hold were left out (255 of 255 bytes): \(names)")
            }
        }
        return record
    }

    /// Whether nothing is to be written for an entry, its content and its hardlink group aside.
    private func isSame(_ wanted: EntryRecord, _ old: EntryRecord) -> Bool {
        wanted.kind == old.kind && wanted.permissions == old.permissions && wanted.uid == old.uid
            && wanted.gid == old.gid && wanted.mtime == old.mtime && wanted.mtimeNanoseconds == old.mtimeNanoseconds
            && wanted.target == old.target && wanted.device == old.device && wanted.xattrs == old.xattrs
            && !old.isHidden && !old.isExternal && !old.isDirectIO
            && (wanted.isDirectory
                || wanted.linkCount == old.linkCount && wanted.hardlinkGroup == old.hardlinkGroup)
    }

    private mutating func put(_ wanted: EntryRecord, old: EntryRecord?, at path: RepositoryPath) async throws {
        guard let old else {
            report.added += 1
            return try await add(.insert(wanted, path))
        }
        if isSame(wanted, old) {
            report.unchanged += 1
        } else {
            report.changed += 1
            try await add(.replace(old, with: wanted, path))
        }
    }

    private mutating func visitFile(
        _ entry: SourceEntry, _ known: StoredContent?, _ wanted: EntryRecord, old: EntryRecord?,
        at path: RepositoryPath
    ) async throws {
        var wanted = wanted
        let content: LinkedContent
        switch entry.content {
        case .none: throw PublishingError(.source, "\(path): a file of the source has no content")
        case .stored(let stored): content = .stored(stored)
        case .unread(_, let identity, let open):
            if let link = entry.hardlink, let known = linked[link]?.content {
                content = known
            } else if let known, try await pipeline.isStored(known, isHeld: Self.holds(old, known)) {
                content = .stored(known)
            } else {
                let source = try open()
                // It may have changed since it was looked at: what is published is the file as it is now.
                if let file = source as? FileSource, file.identity != identity { file.giveAttributes(to: &wanted) }
                content = .pending(try await pipeline.submit(source))
            }
        }
        try noteLink(entry, at: path, content)
        switch content {
        case .stored(let stored):
            report.fileBytes += stored.size
            // Most often nothing is to be done, and then nothing has to wait for its turn.
            if let old, Self.holds(old, stored), isSame(wanted, old) {
                report.unchanged += 1
                return
            }
            try await add(.storedFile(wanted, old: old, path, stored))
        case .pending(let pending):
            report.fileBytes += pending.size
            try await add(.file(wanted, old: old, path, pending))
        }
    }

    /// Whether an entry of the tree has some content; false also of what is in chunks, which takes more to say.
    private static func holds(_ old: EntryRecord?, _ content: StoredContent) -> Bool {
        guard let old, old.kind == .file, !old.isChunked, !old.isExternal, content.chunks.isEmpty else { return false }
        return old.contentHash == content.whole && old.compression == content.compression && old.size == content.size
    }

    /// Remembers a file with several names, and reports names in other directories: groups do not reach so far.
    private mutating func noteLink(
        _ entry: SourceEntry, at path: RepositoryPath, _ content: LinkedContent?
    ) throws {
        guard let link = entry.hardlink else { return }
        let directory = path.parent ?? .root
        if let first = linked[link] {
            if first.directory != directory {
                report.warn(
                    path,
                    "is a hard link of a file in \(first.directory); links across directories cannot be held, it is a file "
                        + "of its own with the same content")
            }
        } else if linked.count < SourceLimits.hardlinks {
            linked[link] = (directory, content)
        } else if linked.count == SourceLimits.hardlinks {
            report.warn(
                path,
                "more than \(SourceLimits.hardlinks) files have several names; links to further ones are not reported")
            linked[HardlinkIdentity(device: .max, inode: .max)] = (directory, nil)
        }
    }

    private func checkReserved(_ entry: SourceEntry, at path: RepositoryPath, _ label: String) throws {
        guard path.parent?.isRoot == true else { return }
        if path.name == NestedMarker.name {
            throw PublishingError(
                .source,
                "\(label): \(NestedMarker.name) in the repository's root makes no sense: the root is a catalog anyway")
        }
        if path.name == NestedMarker.virtualDirectory {
            throw PublishingError(
                .source,
                "\(label): /\(NestedMarker.virtualDirectory) is the repository's own; nothing can be published there")
        }
    }

    private mutating func visitMarker(in directory: RepositoryPath, isNew: Bool) async throws {
        if isNew { return try await add(.nest(directory)) }
        laterMerged.removeAll { $0 == directory }
        if try !tree.isNestedRoot(directory) { laterNested.append(directory) }
    }

    // MARK: Changes, in order

    private mutating func add(_ change: Change) async throws {
        if changes.isEmpty, !Self.waits(change) { return try await apply(change) }
        changes.append(change)
        if changes.count > TreeLimits.pendingChanges { try await settle(downTo: TreeLimits.pendingChanges / 2) }
    }

    private static func waits(_ change: Change) -> Bool {
        if case .file = change { true } else { false }
    }

    private mutating func settle(downTo count: Int) async throws {
        while changes.count > count, let change = changes.popFirst() { try await apply(change) }
    }

    private mutating func apply(_ change: Change) async throws {
        switch change {
        case .remove(let record, let path):
            report.removed += try tree.remove(record, at: path, repairingLinks: false)
        case .insert(let record, let path): try tree.insert(record, at: path)
        case .setDirectory(let wanted, let path):
            guard let old = try tree.record(at: path) else {
                throw PublishingError(.corrupt, "the directory \(path) has no entry")
            }
            var record = wanted
            record.linkCount = old.linkCount
            record.role = old.role
            record.isHidden = old.isHidden
            try tree.replace(old, with: record, at: path)
        case .replace(let old, let record, let path): try tree.replace(old, with: record, chunks: [], at: path)
        case .file(let record, let old, let path, let pending):
            try apply(record, old: old, at: path, try await pending.value())
        case .storedFile(let record, let old, let path, let content):
            try apply(record, old: old, at: path, content)
        case .links(let groups, let directory): try setGroups(groups, in: directory)
        case .nest(let directory): try tree.makeNested(directory)
        }
    }

    private mutating func apply(
        _ wanted: EntryRecord, old: EntryRecord?, at path: RepositoryPath, _ content: StoredContent
    ) throws {
        var record = wanted
        record.setContent(content)
        guard let old else {
            report.added += 1
            return try tree.insert(record, chunks: content.chunks, at: path)
        }
        if isSame(wanted, old), old.size == record.size, old.compression == record.compression,
            old.isChunked == record.isChunked,
            record.isChunked
                ? try tree.chunks(of: old, at: path) == content.chunks : old.contentHash == record.contentHash
        {
            report.unchanged += 1
            return
        }
        report.changed += 1
        try tree.replace(old, with: record, chunks: content.chunks, at: path)
    }

    /// Gives the names of each file in a directory their group. Source: format 3, hardlinks.
    private func setGroups(_ groups: [[FileName]], in directory: RepositoryPath) throws {
        var used: Set<UInt32> = []
        for names in groups {
            let entries = try names.map { name in
                let path = directory.appending(name)
                guard let record = try tree.record(at: path) else {
                    throw PublishingError(.corrupt, "the entry \(path) is gone")
                }
                return (path, record)
            }
            let first = entries[0].1.hardlinkGroup
            var group: UInt32 = 0
            if entries.count > 1 {
                let isKept = first != 0 && !used.contains(first) && entries.allSatisfy { $0.1.hardlinkGroup == first }
                group = isKept ? first : try tree.makeHardlinkGroup(in: directory)
                used.insert(group)
            }
            for (path, old) in entries
            where old.hardlinkGroup != group || old.linkCount != UInt32(entries.count) {
                var record = old
                record.hardlinkGroup = group
                record.linkCount = UInt32(entries.count)
                try tree.replace(old, with: record, at: path)
            }
        }
    }
}

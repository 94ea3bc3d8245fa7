package import CASCore
package import Catalog

/// Goes over one catalog: every entry that a path leads to, and what must hold between entries, counters and rows.
///
/// It collects defects, and hands out the objects that entries need a few at a time, for the caller to check. Blocks
/// for the disk, so it runs on the pool. Source: format 4.5.
package struct CatalogCheck {
    /// An object that an entry needs.
    package struct Reference {
        package let object: ObjectID
        package let size: Int64
        package let path: RepositoryPath
        let reason: FetchEvent.Reason
    }

    /// A directory whose entries are being read.
    private struct Directory {
        let path: RepositoryPath
        let linkCount: UInt32
        var cursor: EntryCursor
        var subdirectories: UInt32 = 0
        var groups: [UInt32: [CatalogEntry]] = [:]
    }

    /// Entries looked at between two returns to the caller.
    private static let stepLength = 256

    private let catalog: FileCatalog
    private var pending: [(path: RepositoryPath, linkCount: UInt32)] = []
    private var current: Directory?
    private var isStarted = false
    private var references: [Reference] = []

    /// What the catalog holds, nested catalogs left out.
    package private(set) var counters = CatalogStatistics.Counters()
    package private(set) var defects: [Defect] = []
    package private(set) var mountpoints: [RepositoryPath: CatalogEntry] = [:]
    package private(set) var entries = 0
    /// Where the markers of nested catalogs are, hidden ones too. Source: format 7.3.
    package private(set) var markers: [RepositoryPath] = []

    package init(_ catalog: FileCatalog) { self.catalog = catalog }

    /// Looks at some more entries: the objects that they need, or `nil` when all have been looked at.
    package mutating func step() throws(CatalogError) -> [Reference]? {
        if !isStarted {
            isStarted = true
            try start()
        }
        references = []
        for _ in 0..<Self.stepLength {
            guard try enterNext() else { return references.isEmpty ? nil : references }
            try lookAtNext()
        }
        return references
    }

    /// What must hold of the catalog as a whole, after the last step.
    ///
    /// - Parameter subtree: what the nested catalogs hold in sum; `nil` when not all of them could be read.
    package mutating func finish(subtree: CatalogStatistics.Counters?) throws(CatalogError) {
        try checkRows()
        try checkMountpoints()
        let stored = try catalog.statistics()
        for name in stored.missing { report(.wrongCounter, catalog.mountPath, "counter \(name) is missing") }
        for (name, counter) in CatalogStatistics.Counters.names where catalog.schema.keeps(name) {
            compare("self_\(name)", stored.own[keyPath: counter], counters[keyPath: counter])
            if let subtree { compare("subtree_\(name)", stored.subtree[keyPath: counter], subtree[keyPath: counter]) }
        }
    }

    // MARK: Directories

    private mutating func start() throws(CatalogError) {
        guard let root = try catalog.rootEntry() else {
            return report(.malformedCatalog, catalog.mountPath, "the catalog has no entry for its own root")
        }
        entries += 1
        count(root)
        pending = [(catalog.mountPath, root.linkCount)]
    }

    /// Makes sure that there is a directory to read from; `false` when none is left.
    private mutating func enterNext() throws(CatalogError) -> Bool {
        if current != nil { return true }
        guard let next = pending.popLast() else { return false }
        current = Directory(
            path: next.path, linkCount: next.linkCount,
            cursor: try catalog.entries(in: next.path, includingHidden: true))
        return true
    }

    private mutating func lookAtNext() throws(CatalogError) {
        guard var directory = current else { return }
        do throws(CatalogError) {
            if let entry = try directory.cursor.next() {
                try visit(entry, in: &directory)
                current = directory
            } else {
                leave(directory)
                current = nil
            }
        } catch {
            guard error.code == .malformedEntry else { throw error }
            report(.malformedEntry, directory.path, error.message)
            current = directory
        }
    }

    private mutating func visit(_ entry: CatalogEntry, in directory: inout Directory) throws(CatalogError) {
        let path = directory.path.appending(entry.name)
        entries += 1
        count(entry)
        if entry.kind == .directory {
            directory.subdirectories += 1
            if entry.isNestedMountpoint || entry.isBindMountpoint {
                mountpoints[path] = entry
            } else {
                pending.append((path, entry.linkCount))
            }
        } else if entry.hardlinkGroup != 0 {
            directory.groups[entry.hardlinkGroup, default: []].append(entry)
        }
        if path.key != entry.key, catalog.mountPath == catalog.rootPrefix {
            report(.unreachableEntry, path, "the row's key is not that of its path, so no lookup finds it")
        }
        if entry.name == ".cvmfscatalog" { markers.append(path) }
        if entry.kind == .file { try visitContent(of: entry, at: path) }
    }

    private mutating func visitContent(of entry: CatalogEntry, at path: RepositoryPath) throws(CatalogError) {
        var chunks: [FileChunk] = []
        if entry.isChunked {
            do throws(CatalogError) {
                chunks = try catalog.chunks(of: entry)
            } catch {
                guard error.code == .malformedChunks else { throw error }
                report(.malformedChunks, path, error.message)
            }
            counters.chunks += Int64(chunks.count)
        }
        guard !entry.isExternal else { return }
        for chunk in chunks {
            references.append(
                Reference(
                    object: chunk.object, size: chunk.size, path: path, reason: .chunk(path, offset: chunk.offset)))
        }
        if let object = entry.object {
            references.append(Reference(object: object, size: entry.size, path: path, reason: .file(path)))
        } else if !entry.isChunked {
            report(.missingContent, path, "neither a hash nor chunks")
        }
    }

    private mutating func leave(_ directory: Directory) {
        if catalog.schema.version >= 2, directory.linkCount != 2 + directory.subdirectories {
            report(
                .wrongLinkCount, directory.path,
                "the link count is \(directory.linkCount), with \(directory.subdirectories) subdirectories")
        }
        for (group, members) in directory.groups { check(group, members, in: directory.path) }
    }

    private mutating func check(_ group: UInt32, _ members: [CatalogEntry], in directory: RepositoryPath) {
        guard let first = members.first else { return }
        for entry in members where entry.linkCount != UInt32(members.count) {
            report(
                .wrongLinkCount, directory.appending(entry.name),
                "the link count is \(entry.linkCount), but group \(group) has \(members.count) members here")
        }
        for entry in members.dropFirst()
        where entry.mode != first.mode || entry.size != first.size || entry.contentHash != first.contentHash
            || entry.uid != first.uid || entry.gid != first.gid || entry.mtime != first.mtime
        {
            report(
                .wrongLinkCount, directory.appending(entry.name),
                "differs from \(first.name), which is the same file by its group")
        }
    }

    // MARK: The whole

    /// Adds an entry to the catalog's own counters. Source: format 3.2.
    private mutating func count(_ entry: CatalogEntry) {
        switch entry.kind {
        case .directory: counters.directories += 1
        case .symlink: counters.symlinks += 1
        case .fifo, .socket, .character, .block: counters.specials += 1
        case .file:
            counters.regular += 1
            counters.fileBytes &+= entry.size
            if entry.isChunked {
                counters.chunkedFiles += 1
                counters.chunkedBytes &+= entry.size
            }
            if entry.isExternal {
                counters.externalFiles += 1
                counters.externalBytes &+= entry.size
            }
        }
        if entry.hasXattrs { counters.xattrs += 1 }
    }

    private mutating func checkRows() throws(CatalogError) {
        var rows = 0
        var cursor = catalog.rows()
        while true {
            do throws(CatalogError) {
                guard try cursor.next() != nil else { break }
                rows += 1
            } catch {
                guard error.code == .malformedEntry else { throw error }
            }
        }
        if rows > entries {
            report(.unreachableEntry, catalog.mountPath, "\(rows - entries) rows that no path leads to")
        }
    }

    private mutating func checkMountpoints() throws(CatalogError) {
        var listed: Set<RepositoryPath> = []
        for nested in try catalog.nestedCatalogs() {
            listed.insert(nested.path)
            if !nested.isBindMountpoint { counters.nestedCatalogs += 1 }
            if mountpoints[nested.path] == nil {
                report(.nestedMismatch, nested.path, "a nested catalog where no mountpoint is", nested.object)
            }
        }
        for path in mountpoints.keys.sorted() where !listed.contains(path) {
            report(.nestedMismatch, path, "a mountpoint without a nested catalog")
        }
    }

    private mutating func compare(_ name: String, _ stored: Int64, _ found: Int64) {
        if stored != found { report(.wrongCounter, catalog.mountPath, "\(name) is \(stored), but there are \(found)") }
    }

    private mutating func report(
        _ kind: Defect.Kind, _ path: RepositoryPath, _ detail: String, _ object: ObjectID? = nil
    ) {
        defects.append(Defect(kind: kind, path: path, object: object, detail: detail))
    }
}

extension CatalogSchema {
    /// Whether catalogs of this schema keep a counter, in the sense of today. Source: format 3, revisions of 2.5.
    fileprivate func keeps(_ counter: String) -> Bool {
        guard version >= 2.45 else { return false }
        return switch counter {
        case "special", "regular": revision >= 5
        case "external", "external_file_size": revision >= 3
        case "xattr": revision >= 2
        default: true
        }
    }
}

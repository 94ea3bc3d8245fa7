internal import CVMFS
internal import FUSE

/// Tells the kernel what is different in a new snapshot, of what it may know of the old one.
///
/// Files are other nodes when they are different, so what is open, and what is cached of it, stays right; only names
/// are forgotten. What lies in catalogs that both snapshots have is not looked at.
struct RevisionChange {
    let old: MountedView
    let new: MountedView
    let fileSystem: SnapshotFileSystem
    let session: Session

    /// What was told.
    struct Report: Sendable, Codable {
        var folders = 0
        var foldersCompared = 0
        var names = 0
    }

    /// Runs on threads that may block; the new snapshot is in use already.
    func announce() async throws -> Report {
        var report = Report()
        for (node, _) in fileSystem.table.directories() {
            report.folders += 1
            guard let path = fileSystem.path(of: node) else { continue }
            guard let (before, after) = try await differing(path) else { continue }
            report.foldersCompared += 1
            let names = try await BlockingPool.shared.run { try compare(path, node, before, after) }
            report.names += names
        }
        // Its own attributes stand in no listing.
        _ = try session.invalidate(.root)
        return report
    }

    /// The catalogs with a folder's entries in both, if they differ.
    private func differing(
        _ path: RepositoryPath
    ) async throws -> (CatalogTree.Mounted, CatalogTree.Mounted)? {
        let (oldTree, newTree) = (old.snapshot.tree, new.snapshot.tree)
        while true {
            let (before, after) = try await BlockingPool.shared.run {
                (try oldTree.holder(ofChildrenIn: path), try newTree.holder(ofChildrenIn: path))
            }
            if Self.key(before) == Self.key(after) { return nil }
            switch (before, after) {
            case (.loaded(let before), .loaded(let after)): return (before, after)
            case (.missing(let missing), _): try await oldTree.load(missing)
            case (_, .missing(let missing)): try await newTree.load(missing)
            }
        }
    }

    private struct Key: Equatable {
        let hash: ContentHash
        let path: RepositoryPath
    }

    private static func key(_ holder: CatalogTree.Holder) -> Key {
        switch holder {
        case .loaded(let catalog): Key(hash: catalog.hash, path: catalog.path)
        case .missing(let missing): Key(hash: missing.nested.hash, path: missing.nested.path)
        }
    }

    /// Compares one folder's entries, name by name.
    /// - Returns: how many names were different.
    private func compare(
        _ path: RepositoryPath, _ node: NodeID, _ before: CatalogTree.Mounted, _ after: CatalogTree.Mounted
    ) throws -> Int {
        var names = 0
        var olds = try before.catalog.entriesByName(in: path, includingHidden: true)
        var news = try after.catalog.entriesByName(in: path, includingHidden: true)
        var (left, right) = (try next(&olds), try next(&news))
        while left != nil || right != nil {
            switch (left, right) {
            case (let entry?, let other?) where entry.name == other.name:
                if try changes(entry, other, path, node, before, after) { names += 1 }
                (left, right) = (try next(&olds), try next(&news))
            case (let entry?, let other) where other.map({ entry.name < $0.name }) ?? true:
                try forget(entry, in: node)
                names += 1
                left = try next(&olds)
            case (_, let entry?):
                // The kernel may know that it is absent.
                try forget(entry, in: node)
                names += 1
                right = try next(&news)
            default: return names
            }
        }
        if names > 0 { _ = try session.invalidate(node) }
        return names
    }

    private func next(_ cursor: inout NameOrderedCursor) throws -> CatalogEntry? {
        while true {
            do throws(CatalogError) {
                return try cursor.next()
            } catch {
                guard error.code == .malformedEntry else { throw error }
            }
        }
    }

    private func forget(_ entry: CatalogEntry, in node: NodeID) throws {
        _ = try session.invalidate(entry.name.bytes.span, in: node)
    }

    private func changes(
        _ entry: CatalogEntry, _ other: CatalogEntry, _ path: RepositoryPath, _ node: NodeID,
        _ before: CatalogTree.Mounted, _ after: CatalogTree.Mounted
    ) throws -> Bool {
        guard entry.isDirectory == other.isDirectory else {
            try forget(entry, in: node)
            return true
        }
        if entry.isDirectory {
            guard !Self.sameAttributes(entry, other) else { return false }
            // Its name stays: it may be somebody's working directory, or something may be mounted in it.
            let child = entry.name.bytes.withUnsafeBytes {
                fileSystem.table.knownDirectory($0, in: node.slot)
            }
            if let child { _ = try session.invalidate(child, from: -1) }
            return true
        }
        let identity = NodeIdentity(of: other, folder: path.key)
        let earlier = NodeIdentity(of: entry, folder: path.key)
        let isSame =
            identity.digest == earlier.digest && identity.flags == earlier.flags
            && identity.payload == earlier.payload
        let sameAttributes =
            try !entry.hasXattrs || before.catalog.rawXattrs(of: entry) == after.catalog.rawXattrs(of: other)
        guard isSame, sameAttributes, entry.hasXattrs == other.hasXattrs, !entry.isChunked || isSame else {
            try forget(entry, in: node)
            return true
        }
        let levels = path.bytes[min(after.path.bytes.count, path.bytes.count)...].count { $0 == UInt8(ascii: "/") }
        try fileSystem.table.move(
            identity, in: node.slot, to: CatalogPlace(hash: after.hash, size: after.size, levels: levels),
            row: other.rowID)
        return false
    }

    private static func sameAttributes(_ entry: CatalogEntry, _ other: CatalogEntry) -> Bool {
        entry.mode == other.mode && entry.uid == other.uid && entry.gid == other.gid && entry.mtime == other.mtime
            && entry.mtimeNanoseconds == other.mtimeNanoseconds && entry.linkCount == other.linkCount
            && entry.size == other.size
    }
}

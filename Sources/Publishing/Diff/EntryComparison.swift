internal import Catalog

/// Two entries of one path.
struct EntryComparison {
    let old: CatalogEntry
    let new: CatalogEntry
    private let oldCatalog: FileCatalog
    private let newCatalog: FileCatalog

    init(old: CatalogEntry, new: CatalogEntry, _ oldCatalog: FileCatalog, _ newCatalog: FileCatalog) {
        self.old = old
        self.new = new
        self.oldCatalog = oldCatalog
        self.newCatalog = newCatalog
    }

    /// What readers would see; what only catalogs know (rows, groups' numbers, where catalogs are cut) is no change.
    func changes() throws -> [PathDifference.Aspect] {
        var changes: [PathDifference.Aspect] = []
        func note(_ aspect: PathDifference.Aspect, _ differs: Bool) {
            if differs { changes.append(aspect) }
        }
        note(.type, old.kind != new.kind)
        note(.permissions, old.permissions != new.permissions)
        note(.owner, (old.uid, old.gid) != (new.uid, new.gid))
        note(.time, (old.mtime, old.mtimeNanoseconds ?? 0) != (new.mtime, new.mtimeNanoseconds ?? 0))
        // A directory's size and link count follow from what is in it.
        let areDirectories = old.isDirectory && new.isDirectory
        note(.size, !areDirectories && old.size != new.size)
        note(.content, try differInContent())
        note(.target, old.target != new.target)
        note(.xattrs, try differInXattrs())
        note(.links, !areDirectories && old.linkCount != new.linkCount)
        note(.device, old.device != new.device)
        note(
            .flags,
            old.isExternal != new.isExternal || old.isHidden != new.isHidden || old.isDirectIO != new.isDirectIO)
        return changes
    }

    private func differInContent() throws -> Bool {
        guard old.kind == .file, new.kind == .file else { return false }
        if old.object != new.object || old.isChunked != new.isChunked { return true }
        guard old.isChunked else { return false }
        return try oldCatalog.chunks(of: old) != newCatalog.chunks(of: new)
    }

    private func differInXattrs() throws -> Bool {
        guard old.hasXattrs || new.hasXattrs else { return false }
        return try oldCatalog.rawXattrs(of: old) != newCatalog.rawXattrs(of: new)
    }
}

package import CASCore
package import Catalog

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// The whole tree of a revision, open for changes: all of its catalogs, each unpacked when it is first needed.
///
/// It belongs to one task at a time and blocks for the disk. What is changed lies in files of its own until `store`;
/// nothing of the revision it began with is touched. Source: format 3, 7.3.
package final class WritableTree {
    /// How the files of catalogs are had.
    package typealias Unpack = (_ catalog: NestedCatalog, _ file: String) throws -> Void

    let root: TreeCatalog
    let makeFile: () -> String
    private let unpack: Unpack
    private var open: [TreeCatalog] = []
    private var calls = 0
    /// Where the content of the directory asked for last is.
    private var latest: (directory: RepositoryPath, catalog: TreeCatalog)?

    /// - Parameters:
    ///   - base: the root catalog to begin with.
    ///   - makeFile: gives the path of a file that does not exist, for a catalog.
    ///   - unpack: puts a stored catalog into a file.
    package init(base: NestedCatalog, makeFile: @escaping () -> String, unpack: @escaping Unpack) {
        self.makeFile = makeFile
        self.unpack = unpack
        root = TreeCatalog(at: base.path, base: base, file: makeFile())
    }

    deinit { discard(root) }

    /// Whether anything was changed.
    package var isChanged: Bool { root.isChanged }

    // MARK: Catalogs

    /// The catalog in which a directory's content is.
    func catalog(ofContent directory: RepositoryPath) throws -> TreeCatalog {
        if let latest, latest.directory == directory { return latest.catalog }
        var catalog = root
        _ = try reader(root)
        while let path = catalog.mountpoint(above: directory) {
            catalog = try child(of: catalog, at: path)
            _ = try reader(catalog)
        }
        latest = (directory, catalog)
        return catalog
    }

    /// The catalog in which an entry is listed.
    func catalog(ofEntry path: RepositoryPath) throws -> TreeCatalog {
        try path.parent.map { try catalog(ofContent: $0) } ?? root
    }

    /// A catalog nested in another one.
    func child(of catalog: TreeCatalog, at path: RepositoryPath) throws -> TreeCatalog {
        if let child = catalog.children[path] { return child }
        guard let row = catalog.nested?[path], let base = row else {
            throw PublishingError(.corrupt, "catalog \(catalog.path): the catalog nested at \(path) has no hash")
        }
        let child = TreeCatalog(at: path, base: base, file: makeFile())
        let statistics = try reader(child).statistics()
        child.accounted = statistics.own + statistics.subtree
        catalog.adopt(child)
        return child
    }

    /// Opens a catalog, if it is not open.
    func reader(_ catalog: TreeCatalog) throws -> CatalogWriter {
        calls += 1
        catalog.lastUse = calls
        if let writer = catalog.writer { return writer }
        if !catalog.isUnpacked, let base = catalog.base {
            try unpack(base, catalog.file)
            catalog.isUnpacked = true
        }
        let writer = try CatalogWriter(editing: catalog.file, at: catalog.path)
        try keep(writer, of: catalog)
        if catalog.nested == nil { catalog.nested = try writer.mountpoints() }
        return writer
    }

    /// Opens a catalog to change it.
    func writer(_ catalog: TreeCatalog) throws -> CatalogWriter {
        catalog.change()
        return try reader(catalog)
    }

    private func keep(_ writer: CatalogWriter, of catalog: TreeCatalog) throws {
        catalog.writer = writer
        open.append(catalog)
        guard open.count > TreeLimits.openCatalogs else { return }
        // Those that somebody reads from stay open.
        let idle = open.filter { $0 !== catalog && isKnownUniquelyReferenced(&$0.writer) }
        guard let oldest = idle.min(by: { $0.lastUse < $1.lastUse }) else { return }
        try close(oldest)
    }

    private func close(_ catalog: TreeCatalog) throws {
        try catalog.writer?.suspend()
        forget(catalog)
    }

    func forget(_ catalog: TreeCatalog) {
        catalog.writer = nil
        open.removeAll { $0 === catalog }
    }

    // MARK: Reading

    /// The entry of a path, without its chunks; `nil` when there is none.
    package func record(at path: RepositoryPath) throws -> EntryRecord? {
        try reader(try catalog(ofEntry: path)).record(at: path)
    }

    package func chunks(of record: EntryRecord, at path: RepositoryPath) throws -> [FileChunk] {
        try reader(try catalog(ofEntry: path)).chunks(of: record, at: path)
    }

    /// The entries of a directory, sorted by name.
    package func rows(in directory: RepositoryPath) throws -> DirectoryRows {
        try reader(try catalog(ofContent: directory)).rows(in: directory)
    }

    /// The counters of the whole tree.
    package func statistics() throws -> CatalogStatistics.Counters {
        var sum = CatalogStatistics.Counters()
        // What has changed below is not in the counters above it yet.
        var pending = [root]
        while let catalog = pending.popLast() {
            let statistics = try reader(catalog).statistics()
            if catalog === root {
                sum = statistics.own + statistics.subtree
            } else {
                sum = sum + (statistics.own + statistics.subtree - catalog.accounted)
            }
            pending += catalog.children.values.filter(\.isChanged)
        }
        return sum
    }

    // MARK: Changing entries

    /// Adds an entry where there is none; the directory above it exists.
    package func insert(_ record: EntryRecord, chunks: [FileChunk] = [], at path: RepositoryPath) throws {
        try writer(try catalog(ofEntry: path)).insert(record, chunks: chunks, at: path)
        if record.isDirectory, let parent = path.parent { try addSubdirectories(1, to: parent) }
    }

    /// Gives an entry other attributes or content; a directory stays one, and what is in it stays.
    ///
    /// - Parameter chunks: `nil` leaves the chunks that there are.
    package func replace(
        _ old: EntryRecord, with record: EntryRecord, chunks: [FileChunk]? = nil, at path: RepositoryPath
    ) throws {
        precondition(old.isDirectory == record.isDirectory, "a directory cannot become something else in place")
        try writer(try catalog(ofEntry: path)).replace(old, with: record, chunks: chunks, at: path)
        guard record.isDirectory, old.role == .nestedMountpoint else { return }
        // The same directory, seen from inside.
        let inner = try writer(try catalog(ofContent: path))
        guard let innerOld = try inner.record(at: path) else {
            throw PublishingError(.corrupt, "catalog \(path): there is no entry for its own root")
        }
        var innerNew = record
        innerNew.role = .nestedRoot
        try inner.replace(innerOld, with: innerNew, at: path)
    }

    /// Removes an entry, and everything below it.
    ///
    /// - Parameter repairingLinks: whether the other names of the same file in its directory are told; whoever sets the
    ///   groups of the whole directory afterwards need not have it.
    /// - Returns: how many entries went.
    @discardableResult
    package func remove(
        _ record: EntryRecord, at path: RepositoryPath, repairingLinks: Bool = true
    ) throws -> Int64 {
        let catalog = try catalog(ofEntry: path)
        let writer = try writer(catalog)
        let before = try writer.statistics().own.entries
        var nestedEntries: Int64 = 0
        switch record.role {
        case .nestedMountpoint: nestedEntries += try drop(path, from: catalog, writer)
        case .bindMountpoint: try writer.removeBindMountpoint(path)
        case .nestedRoot: throw PublishingError(.invalidArgument, "the repository's root cannot be removed")
        case .ordinary:
            guard record.isDirectory else { break }
            for mountpoint in try writer.removeRows(below: path) {
                if catalog.nested?.keys.contains(mountpoint) == true {
                    nestedEntries += try drop(mountpoint, from: catalog, writer)
                } else {
                    try writer.removeBindMountpoint(mountpoint)
                }
            }
        }
        try writer.remove(record, at: path)
        if record.isDirectory {
            latest = nil
            if let parent = path.parent { try addSubdirectories(-1, to: parent) }
        } else if record.hardlinkGroup != 0, repairingLinks {
            try repairGroup(record.hardlinkGroup, in: path.parent ?? .root, writer)
        }
        return before - (try writer.statistics().own.entries) + nestedEntries
    }

    /// Forgets a nested catalog with everything in it.
    private func drop(
        _ path: RepositoryPath, from catalog: TreeCatalog, _ writer: CatalogWriter
    ) throws -> Int64 {
        latest = nil
        let child = try child(of: catalog, at: path)
        try writer.addToSubtree(CatalogStatistics.Counters() - child.accounted)
        try writer.removeNested(path)
        catalog.nested?.removeValue(forKey: path)
        let entries = child.accounted.entries
        discard(child)
        catalog.release(path)
        // Its root was the mountpoint, which the caller counts.
        return max(0, entries - 1)
    }

    private func discard(_ catalog: TreeCatalog) {
        for child in catalog.children.values { discard(child) }
        forget(catalog)
        unlink(catalog.file)
        unlink(catalog.file + CatalogWriter.compactSuffix)
    }

    /// Says how many names a file still has in a directory.
    private func repairGroup(_ group: UInt32, in directory: RepositoryPath, _ writer: CatalogWriter) throws {
        var members: [(FileName, EntryRecord)] = []
        try writer.forEachRow(in: directory) { name, record throws(CatalogError) in
            if record.hardlinkGroup == group { members.append((name, record)) }
            return true
        }
        for (name, record) in members {
            var record = record
            let old = record
            record.linkCount = UInt32(members.count)
            if members.count == 1 { record.hardlinkGroup = 0 }
            try writer.replace(old, with: record, at: directory.appending(name))
        }
    }

    private func addSubdirectories(_ number: Int, to directory: RepositoryPath) throws {
        guard let old = try record(at: directory) else {
            throw PublishingError(.corrupt, "the directory \(directory) has no entry")
        }
        var record = old
        record.linkCount = UInt32(clamping: max(2, Int(old.linkCount) + number))
        try replace(old, with: record, at: directory)
    }

    /// A number for a hardlink group of a directory.
    package func makeHardlinkGroup(in directory: RepositoryPath) throws -> UInt32 {
        try writer(try catalog(ofContent: directory)).makeHardlinkGroup()
    }

    /// Whether a directory's content is in a catalog of its own.
    package func isNestedRoot(_ directory: RepositoryPath) throws -> Bool {
        try catalog(ofContent: directory).path == directory
    }

    // MARK: Nested catalogs

    /// Puts the content of a directory into a catalog of its own. Source: format 3.3.
    package func makeNested(_ directory: RepositoryPath) throws {
        let catalog = try catalog(ofContent: directory)
        guard catalog.path != directory else { return }
        let outer = try writer(catalog)
        guard let old = try outer.record(at: directory), old.isDirectory, old.role == .ordinary else {
            throw PublishingError(.invalidArgument, "\(directory) is no directory that can begin a nested catalog")
        }
        latest = nil
        let nested = TreeCatalog(at: directory, base: nil, file: makeFile())
        var rootEntry = old
        rootEntry.role = .nestedRoot
        let inner = try CatalogWriter(creating: nested.file, at: directory, entry: rootEntry)
        nested.isUnpacked = true
        nested.nested = [:]
        // What is nested in what moves belongs to the new catalog from now on.
        var moved = CatalogStatistics.Counters()
        for path in (catalog.nested ?? [:]).keys.sorted() where path.isInside(directory) {
            let grandchild = try child(of: catalog, at: path)
            moved = moved + grandchild.accounted
            if let row = catalog.nested?.removeValue(forKey: path) { nested.nested?.updateValue(row, forKey: path) }
            catalog.release(path)
            nested.adopt(grandchild)
        }
        try outer.moveRows(below: directory, to: inner)
        try inner.addToSubtree(moved)
        try outer.addToSubtree(CatalogStatistics.Counters() - moved)
        var mountpoint = old
        mountpoint.role = .nestedMountpoint
        try outer.replace(old, with: mountpoint, at: directory)
        try outer.addNested(directory, nil)
        catalog.nested?.updateValue(nil, forKey: directory)
        catalog.adopt(nested)
        try keep(inner, of: nested)
        nested.change()
    }

    /// Puts what a nested catalog holds back into the catalog above it. Source: format 3.3.
    package func merge(_ directory: RepositoryPath) throws {
        let nested = try catalog(ofContent: directory)
        guard nested.path == directory, let catalog = nested.parent else { return }
        let (inner, outer) = (try writer(nested), try writer(catalog))
        latest = nil
        let below = try inner.statistics().subtree
        try inner.moveRows(below: directory, to: outer, raisingGroupsBy: try outer.highestHardlinkGroup())
        try outer.addToSubtree(below - nested.accounted)
        try outer.removeNested(directory)
        catalog.nested?.removeValue(forKey: directory)
        for (path, row) in nested.nested ?? [:] { catalog.nested?.updateValue(row, forKey: path) }
        for child in nested.children.values {
            nested.release(child.path)
            catalog.adopt(child)
        }
        guard let old = try outer.record(at: directory) else {
            throw PublishingError(.corrupt, "the directory \(directory) has no entry")
        }
        var ordinary = old
        ordinary.role = .ordinary
        try outer.replace(old, with: ordinary, at: directory)
        catalog.release(directory)
        forget(nested)
        unlink(nested.file)
    }
}

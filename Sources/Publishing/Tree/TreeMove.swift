internal import CASCore
internal import Catalog

extension WritableTree {
    /// Moves an entry and everything below it to a path where nothing is, in a directory that exists.
    ///
    /// The keys of all rows change with their paths, so that it is work for every entry; nested catalogs stay such.
    func move(_ record: EntryRecord, from path: RepositoryPath, to new: RepositoryPath) throws {
        try copy(record, from: path, to: new)
        try remove(record, at: path)
    }

    private func copy(_ record: EntryRecord, from path: RepositoryPath, to new: RepositoryPath) throws {
        var copied = record
        copied.role = .ordinary
        guard record.isDirectory else {
            // Its other names stay where they are.
            copied.hardlinkGroup = 0
            copied.linkCount = 1
            return try insert(copied, chunks: try chunks(of: record, at: path), at: new)
        }
        var pending = [(path, new)]
        copied.linkCount = 2
        try insert(copied, at: new)
        if record.role == .nestedMountpoint { try makeNested(new) }
        while let (from, to) = pending.popLast() {
            var groups: [UInt32: UInt32] = [:]
            var rows = try rows(in: from)
            while let (name, record) = try rows.next() {
                let (old, new) = (from.appending(name), to.appending(name))
                guard record.role != .bindMountpoint else {
                    throw PublishingError(
                        .unsupported, "\(old): another catalog is mounted here, which cannot be moved")
                }
                var copied = record
                copied.role = .ordinary
                if record.isDirectory { copied.linkCount = 2 }
                if record.hardlinkGroup != 0 {
                    let group = try groups[record.hardlinkGroup] ?? makeHardlinkGroup(in: to)
                    groups[record.hardlinkGroup] = group
                    copied.hardlinkGroup = group
                }
                try insert(copied, chunks: try chunks(of: record, at: old), at: new)
                if record.role == .nestedMountpoint { try makeNested(new) }
                if record.isDirectory { pending.append((old, new)) }
            }
        }
    }

    /// All names in its directory that a file has, with their entries: those of its hardlink group.
    func links(of record: EntryRecord, at path: RepositoryPath) throws -> [(RepositoryPath, EntryRecord)] {
        guard record.hardlinkGroup != 0, let directory = path.parent else { return [(path, record)] }
        var members: [(RepositoryPath, EntryRecord)] = []
        try reader(try catalog(ofContent: directory)).forEachRow(in: directory) { name, member throws(CatalogError) in
            if member.hardlinkGroup == record.hardlinkGroup { members.append((directory.appending(name), member)) }
            return true
        }
        return members
    }
}

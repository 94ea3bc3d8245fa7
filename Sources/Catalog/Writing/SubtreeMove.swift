package import CASCore

extension CatalogWriter {
    /// Removes everything below a directory; the directory itself and nested catalogs' rows stay.
    ///
    /// - Returns: the mountpoints of catalogs that were among it.
    package func removeRows(below directory: RepositoryPath) throws(CatalogError) -> [RepositoryPath] {
        var mountpoints: [RepositoryPath] = []
        try takeRows(below: directory) { path, record, _ throws(CatalogError) in
            if record.role != .ordinary { mountpoints.append(path) }
        }
        return mountpoints
    }

    /// Moves everything below a directory to another catalog, rows for nested catalogs and bind mountpoints too.
    ///
    /// - Parameter raisingGroupsBy: what is added to the numbers of hardlink groups.
    package func moveRows(
        below directory: RepositoryPath, to other: CatalogWriter, raisingGroupsBy offset: UInt32 = 0
    ) throws(CatalogError) {
        var highest: UInt32 = 0
        try takeRows(below: directory) { path, record, chunks throws(CatalogError) in
            var record = record
            if record.hardlinkGroup != 0 {
                let (raised, overflows) = record.hardlinkGroup.addingReportingOverflow(offset)
                guard !overflows else { throw other.tooManyGroups }
                record.hardlinkGroup = raised
                highest = max(highest, raised)
            }
            try other.insert(record, chunks: chunks, at: path)
        }
        if highest > 0 { try other.raiseHardlinkGroups(to: highest) }
        for (path, nested) in try mountpoints().sorted(by: { $0.key < $1.key })
        where path != directory && path.isInside(directory) {
            try other.addNested(path, nested)
            try removeNested(path)
        }
        for (path, bound) in try mountpoints(bound: true).sorted(by: { $0.key < $1.key })
        where path != directory && path.isInside(directory) {
            if let bound { try other.addBindMountpoint(bound) }
            try removeBindMountpoint(path)
        }
    }

    /// Takes out every row below a directory, a directory's before those of its content.
    private func takeRows(
        below directory: RepositoryPath,
        _ body: (RepositoryPath, EntryRecord, [FileChunk]) throws(CatalogError) -> Void
    ) throws(CatalogError) {
        var pending = [directory]
        while let next = pending.popLast() {
            var rows = try rows(in: next)
            var subdirectories: [RepositoryPath] = []
            while let (name, record) = try rows.next() {
                let path = next.appending(name)
                let chunks = try chunks(of: record, at: path)
                try remove(record, at: path)
                try body(path, record, chunks)
                if record.isDirectory, record.role == .ordinary { subdirectories.append(path) }
            }
            pending += subdirectories.reversed()
        }
    }
}

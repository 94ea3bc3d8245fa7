package import CASCore

/// The entries of a directory of a catalog that is being written, in the order of their names' bytes, hidden ones
/// included.
///
/// Entries that were given out may be changed meanwhile, and others be put before them; those to come must stay as they
/// are. A directory of usual size is read at once, of a larger one only the names.
package struct DirectoryRows {
    private let catalog: CatalogWriter
    private let directory: RepositoryPath
    private let bound: Int
    private let small: Int
    /// What is left of a directory of usual size, the next entry last.
    private var records: [(name: FileName, record: EntryRecord)]?
    private var names: SortedNames?
    private var index = 0
    private var last: (name: [UInt8], rowID: Int64)?

    init(
        _ catalog: CatalogWriter, _ directory: RepositoryPath, boundedTo bound: Int = CatalogLimits.sortingBytes,
        smallTo small: Int = CatalogLimits.entriesSorted
    ) throws(CatalogError) {
        self.catalog = catalog
        self.directory = directory
        self.bound = bound
        self.small = small
        records = try readSmallDirectory()
    }

    /// The next entry, without its chunks; `nil` behind the last.
    package mutating func next() throws(CatalogError) -> (name: FileName, record: EntryRecord)? {
        if records != nil { return records?.popLast() }
        while true {
            if let names, index < names.count {
                let (name, rowID) = names[index]
                index += 1
                guard name != last?.name else { throw isTwice(FileName(bytes: name)) }
                last = (name, rowID)
                let fileName = FileName(bytes: name)
                guard let record = try catalog.record(at: directory.appending(fileName)) else {
                    throw CatalogError(
                        .malformedEntry, "\(catalog.label): no lookup finds \"\(fileName)\" in \(directory)")
                }
                return (fileName, record)
            }
            if names?.isComplete == true { return nil }
            names = nil
            names = try readNames()
            index = 0
        }
    }

    private func isTwice(_ name: FileName) -> CatalogError {
        CatalogError(.malformedEntry, "\(catalog.label): \(directory) has two entries with the name \"\(name)\"")
    }

    private func readSmallDirectory() throws(CatalogError) -> [(name: FileName, record: EntryRecord)]? {
        var found: [(name: FileName, record: EntryRecord)] = []
        var isLarge = false
        try catalog.forEachRow(in: directory) { name, record throws(CatalogError) in
            isLarge = found.count == small
            if !isLarge { found.append((name, record)) }
            return !isLarge
        }
        guard !isLarge else { return nil }
        found.sort { $1.name < $0.name }
        if let pair = zip(found, found.dropFirst()).first(where: { $0.name == $1.name }) { throw isTwice(pair.0.name) }
        return found
    }

    private func readNames() throws(CatalogError) -> SortedNames {
        var names = SortedNames()
        let key = directory.key
        try catalog.database.forEachRow(
            of: "SELECT rowid, name FROM catalog WHERE parent_1 = ? AND parent_2 = ?",
            [.integer(key.first), .integer(key.second)]
        ) { row throws(CatalogError) in
            let name = Array(row.bytes(1).prefix(CatalogLimits.nameBytes))
            let rowID = row.integer(0)
            if let last, !SortedNames.precedes(last, (name, rowID)) { return true }
            // The repository's root is its own parent's child by no name.
            if !name.isEmpty { names.add(name, rowID: rowID, boundedTo: bound) }
            return true
        }
        names.sort()
        return names
    }
}

extension CatalogWriter {
    /// The entries of a directory, sorted by name.
    package func rows(in directory: RepositoryPath) throws(CatalogError) -> DirectoryRows {
        try DirectoryRows(self, directory)
    }

    /// Gives the entries of a directory to `body`, in stored order, until it returns false. It must not change the
    /// catalog.
    package func forEachRow(
        in directory: RepositoryPath, _ body: (FileName, EntryRecord) throws(CatalogError) -> Bool
    ) throws(CatalogError) {
        let key = directory.key
        try database.forEachRow(
            of: "SELECT \(selected) FROM catalog WHERE parent_1 = ?1 AND parent_2 = ?2 ORDER BY rowid",
            [.integer(key.first), .integer(key.second)]
        ) { row throws(CatalogError) in
            let (name, record) = try decode(row)
            guard !name.bytes.isEmpty else { return true }
            return try body(name, record)
        }
    }
}

extension CatalogWriter {
    /// How many entries each directory has, by its key.
    package func entryCounts() throws(CatalogError) -> [PathKey: Int64] {
        var counts: [PathKey: Int64] = [:]
        try database.forEachRow(
            of: "SELECT parent_1, parent_2, COUNT(*) FROM catalog GROUP BY parent_1, parent_2"
        ) { row throws(CatalogError) in
            counts[PathKey(first: row.integer(0), second: row.integer(1))] = row.integer(2)
            return true
        }
        return counts
    }

    /// The names of a directory's subdirectories, in stored order, those left out in which another catalog begins.
    package func subdirectories(of directory: RepositoryPath) throws(CatalogError) -> [FileName] {
        let key = directory.key
        var names: [FileName] = []
        try database.forEachRow(
            of: "SELECT name, flags FROM catalog WHERE parent_1 = ? AND parent_2 = ? AND flags & 1",
            [.integer(key.first), .integer(key.second)]
        ) { row throws(CatalogError) in
            let flags = EntryFlags(rawValue: UInt32(truncatingIfNeeded: row.integer(1)))
            let name = FileName(bytes: row.bytes(0))
            if flags.isDisjoint(with: [.nestedMountpoint, .bindMountpoint]), name.isValid { names.append(name) }
            return true
        }
        return names
    }
}

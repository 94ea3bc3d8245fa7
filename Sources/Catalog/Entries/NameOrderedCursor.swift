internal import CASCore

/// The entries of a directory in the order of their names' bytes; see `FileCatalog.entriesByName(in:)`.
///
/// SQLite's own sorting keeps all rows in memory or spills them to temporary files. Here the entries of a directory of
/// usual size are read at once and sorted; of a larger one only the names, as many as the limit allows, and the entries
/// follow one by one.
public struct NameOrderedCursor: Sendable {
    private let catalog: FileCatalog
    private let parent: PathKey
    private let includesHidden: Bool
    private let bound: Int
    private let small: Int
    /// The last name given out, and its row; what comes up to them is passed over.
    private var last: (name: [UInt8], rowID: Int64)?
    private var names: SortedNames?
    private var index = 0
    private var isOver = false
    /// What is left of a directory of usual size, the next entry last.
    private var entries: [CatalogEntry]?

    init(
        catalog: FileCatalog, parent: PathKey, after name: FileName?, includingHidden: Bool,
        boundedTo bound: Int = CatalogLimits.sortingBytes, smallTo small: Int = CatalogLimits.entriesSorted
    ) {
        self.catalog = catalog
        self.parent = parent
        self.bound = bound
        self.small = small
        includesHidden = includingHidden
        last = name.map { ($0.bytes, .max) }
    }

    /// The next entry; `nil` behind the last.
    ///
    /// A malformed entry throws in its place, with `malformedEntry`, and the one behind it follows; so does a second
    /// entry of the same name.
    public mutating func next() throws(CatalogError) -> CatalogEntry? {
        do throws(CatalogError) {
            if entries == nil, names == nil { entries = try readSmallDirectory() }
            if entries != nil { return entries?.popLast() }
            while !isOver {
                if let names, index < names.count {
                    index += 1
                    return try entry(of: names[index - 1])
                }
                if names?.isComplete == true { break }
                names = nil
                names = try readNames()
                index = 0
            }
        } catch  where error.code != .malformedEntry {
            (isOver, entries, names) = (true, [], nil)
            throw error
        }
        return nil
    }

    private mutating func entry(of found: (name: [UInt8], rowID: Int64)) throws(CatalogError) -> CatalogEntry {
        let (name, rowID) = found
        let isSecond = name == last?.name
        last = found
        guard let entry = try catalog.entry(rowID: rowID) else {
            throw CatalogError(.corrupt, "\(catalog.database.label) is corrupt: row \(rowID) is gone")
        }
        guard !name.isEmpty, !isSecond else {
            let problem = name.isEmpty ? "no name, but a directory above it" : "the name of another in its directory"
            throw CatalogError(
                .malformedEntry, "\(catalog.database.label): the entry \"\(entry.name)\" (row \(rowID)) has \(problem)")
        }
        return entry
    }

    /// The entries of a directory, the last one first; `nil` when they are many, or something is wrong with one.
    private func readSmallDirectory() throws(CatalogError) -> [CatalogEntry]? {
        var cursor = EntryCursor(catalog: catalog, parent: parent, after: .min, includingHidden: includesHidden)
        var entries: [CatalogEntry] = []
        do throws(CatalogError) {
            while let entry = try cursor.next() {
                guard entries.count < small else { return nil }
                entries.append(entry)
            }
        } catch  where error.code == .malformedEntry {
            return nil
        }
        if let last { entries.removeAll { !last.name.lexicographicallyPrecedes($0.name.bytes) } }
        let order = entries.indices.sorted { entries[$1].name < entries[$0].name }
        let isUnique = zip(order, order.dropFirst()).allSatisfy { entries[$0].name != entries[$1].name }
        return isUnique ? order.map { entries[$0] } : nil
    }

    /// Goes over the directory once, for the names that come next.
    private func readNames() throws(CatalogError) -> SortedNames {
        var names = SortedNames()
        var position = Int64.min
        while true {
            let page = try EntryPage.read(.namesPage, of: catalog, after: position) { statement, position, count in
                statement.bind(parent.first, at: 1)
                statement.bind(parent.second, at: 2)
                statement.bind(position, at: 3)
                statement.bind(count, at: 4)
            } _: { row throws(CatalogError) -> (name: [UInt8], rowID: Int64)? in
                let flags = EntryFlags(rawValue: row.integer(2).flatMap { UInt32(exactly: $0) } ?? 0)
                guard includesHidden || !flags.contains(.hidden), let rowID = row.integer(0) else { return nil }
                // Whatever is wrong with a name shows when the entry is read.
                return (Array((row.text(1) ?? []).prefix(CatalogLimits.nameBytes)), rowID)
            }
            for (name, rowID) in page.rows {
                if let last, !SortedNames.precedes(last, (name, rowID)) { continue }
                names.add(name, rowID: rowID, boundedTo: bound)
            }
            guard !page.isLast else { break }
            position = page.position
        }
        names.sort()
        return names
    }
}

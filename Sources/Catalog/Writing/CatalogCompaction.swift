internal import CASCore

extension CatalogWriter {
    /// What stands behind the name of a file that was written anew.
    package static let compactSuffix = ".compact"

    /// Ends writing: no other call may follow.
    ///
    /// A file with many unused pages, or many gaps between its rows' numbers, which are the clients' inodes, is written
    /// anew. Source: format 3.3.
    /// - Returns: the path of the complete file: its own, or one beside it with `compactSuffix` behind its name.
    package func finish() throws(CatalogError) -> String {
        try suspend()
        return try isWasteful() ? try compact() : file
    }

    private func isWasteful() throws(CatalogError) -> Bool {
        let free = try database.row(of: "PRAGMA freelist_count") { $0.integer(0) } ?? 0
        let pages = try database.row(of: "PRAGMA page_count") { $0.integer(0) } ?? 0
        if free * 5 > pages { return true }
        let numbers = try database.row(of: "SELECT COUNT(*), MAX(rowid) FROM catalog") {
            ($0.integer(0), $0.integer(1))
        }
        guard let (rows, last) = numbers else { return false }
        // Whatever numbers a file gives its rows, this does not overflow.
        return last > 0 && last - rows > last / 4
    }

    /// Copies all rows, in the order that they have, to a new file.
    private func compact() throws(CatalogError) -> String {
        let scratch = file + Self.compactSuffix
        let copy = try WritableDatabase(at: scratch, label: label, cacheBytes: CatalogLimits.writerCacheBytes)
        // The file is locked as long as its own connection is open.
        try database.run("PRAGMA locking_mode=NORMAL; SELECT COUNT(*) FROM properties")
        try copy.run("BEGIN")
        try CatalogTables(copy).create()
        try copy.run("COMMIT")
        try copy.run("ATTACH ? AS old", [.text(file)])
        try copy.run("BEGIN; DELETE FROM properties")
        for (table, columns) in [
            ("properties", "key, value"), ("catalog", CatalogTables.columns),
            ("chunks", "md5path_1, md5path_2, offset, size, hash"), ("nested_catalogs", "path, sha1, size"),
            ("bind_mountpoints", "path, sha1, size"), ("statistics", "counter, value"),
        ] {
            try copy.run(
                "INSERT INTO main.\(table) (\(columns)) SELECT \(columns) FROM old.\(table) ORDER BY old.\(table).rowid"
            )
        }
        try copy.run("COMMIT; DETACH old")
        return scratch
    }
}

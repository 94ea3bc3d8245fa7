/// Sees to it that the tables one is going to read are plain tables.
///
/// A view or a virtual table by the name of a table would run what its author wants; so would a generated column.
/// Everything else in a file (other tables, triggers, indexes) has no effect on reading.
struct TableCheck {
    let used: Set<String>
    let required: Set<String>

    /// - Returns: the used tables that exist, by their lower-case names, with the statements that made them.
    func check(_ connection: Connection) throws(CatalogError) -> [String: String] {
        var tables: [String: String] = [:]
        try connection.forEachRow(of: "SELECT type, name, sql FROM sqlite_master") { row throws(CatalogError) in
            guard let type = row.text(0), let name = row.text(1) else { return true }
            let table = String(decoding: name, as: UTF8.self).lowercased()
            // Indexes, too, have names of their own, which may be anything.
            guard used.contains(table), !type.elementsEqual("index".utf8), !type.elementsEqual("trigger".utf8) else {
                return true
            }
            let statement = String(decoding: row.text(2) ?? [], as: UTF8.self)
            guard type.elementsEqual("table".utf8), Self.isPlain(statement) else {
                throw CatalogError(
                    .missingTable,
                    "\(connection.label): \(table) is no ordinary table; such a file is not to be trusted")
            }
            tables[table] = statement
            return true
        }
        if let missing = required.sorted().first(where: { tables[$0] == nil }) {
            throw CatalogError(.missingTable, "\(connection.label) has no table \(missing)")
        }
        return tables
    }

    /// Whether a statement makes an ordinary table with ordinary columns.
    ///
    /// SQLite stores what it was given from the name on, behind `CREATE TABLE` in its own spelling. In the formats'
    /// tables the words that make something else of it occur nowhere, not even in a name.
    static func isPlain(_ statement: String) -> Bool {
        let words = statement.lowercased().split { !$0.isLetter && !$0.isNumber && $0 != "_" }
        guard words.count > 2, words[0] == "create", words[1] == "table" else { return false }
        return !words.contains { $0 == "as" || $0 == "generated" || $0 == "without" || $0 == "collate" }
    }
}

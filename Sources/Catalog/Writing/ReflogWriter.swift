internal import CASCore

/// Writes the list of a repository's root objects. Source: format 4.2.
package enum ReflogWriter {
    /// - Parameters:
    ///   - references: each hash once.
    ///   - path: of a file that does not exist.
    package static func write(_ references: [Reference], fqrn: String, to path: String) throws(CatalogError) {
        let database = try WritableDatabase(at: path, label: "the reflog of \(fqrn)")
        try database.run("BEGIN")
        try database.run(
            "CREATE TABLE properties (key TEXT, value TEXT, CONSTRAINT pk_properties PRIMARY KEY (key))")
        try database.run(
            "CREATE TABLE refs (hash TEXT, type INTEGER, timestamp INTEGER, CONSTRAINT pk_refs PRIMARY KEY (hash))")
        try database.insert([("schema", "1.0"), ("schema_revision", "0"), ("fqrn", fqrn)])
        for reference in references {
            guard let type = Self.types.firstIndex(of: reference.kind) else {
                throw CatalogError(.malformedReference, "a reflog has no objects like \(reference.object)")
            }
            try database.run(
                "INSERT OR REPLACE INTO refs VALUES (?, ?, ?)",
                [.text(reference.hash.description), .integer(Int64(type)), .integer(reference.timestamp)])
        }
        try database.run("COMMIT")
    }

    /// By the number that stands for them.
    private static let types: [ObjectKind] = [.catalog, .certificate, .history, .metainfo]
}

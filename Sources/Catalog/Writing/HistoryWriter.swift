package import CASCore

/// Writes the database of tags, with the newest schema. Source: format 4.1.
package enum HistoryWriter {
    /// - Parameters:
    ///   - path: of a file that does not exist.
    ///   - previous: the history that this one succeeds.
    package static func write(
        tags: [Tag], branches: [Branch], fqrn: String, previous: ContentHash?, to path: String
    ) throws(CatalogError) {
        let database = try WritableDatabase(at: path, label: "the history of \(fqrn)")
        try database.run("BEGIN")
        try database.run(
            "CREATE TABLE properties (key TEXT, value TEXT, CONSTRAINT pk_properties PRIMARY KEY (key))")
        try database.run(
            """
            CREATE TABLE branches (branch TEXT, parent TEXT, initial_revision INTEGER, \
            CONSTRAINT pk_branch PRIMARY KEY (branch), FOREIGN KEY (parent) REFERENCES branches (branch), \
            CHECK ((branch <> '') OR (parent IS NULL)), CHECK ((branch = '') OR (parent IS NOT NULL)))
            """)
        try database.run(
            """
            CREATE TABLE tags (name TEXT, hash TEXT, revision INTEGER, timestamp INTEGER, channel INTEGER, \
            description TEXT, size INTEGER, branch TEXT, CONSTRAINT pk_tags PRIMARY KEY (name), \
            FOREIGN KEY (branch) REFERENCES branches (branch))
            """)
        try database.run(
            "CREATE TABLE recycle_bin (hash TEXT, flags INTEGER, CONSTRAINT pk_hash PRIMARY KEY (hash))")
        for branch in branches {
            try database.run(
                "INSERT INTO branches VALUES (?, ?, ?)",
                [.text(branch.name), branch.parent.map { .text($0) } ?? .null, .integer(branch.initialRevision)])
        }
        let properties = [
            ("schema", "1.0"), ("schema_revision", "3"), ("fqrn", fqrn),
            ("previous_revision", previous?.description ?? String(repeating: "0", count: 40)),
        ]
        try database.insert(properties)
        for tag in tags {
            try database.run(
                "INSERT INTO tags VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    .text(tag.name), .text(tag.rootHash.description), .integer(Int64(clamping: tag.revision)),
                    .integer(tag.timestamp), .integer(tag.channel), .text(tag.description), .integer(tag.size ?? 0),
                    .text(tag.branch),
                ])
        }
        try database.run("COMMIT")
    }
}

extension WritableDatabase {
    /// Rows of the table `properties`.
    func insert(_ properties: [(key: String, value: String)]) throws(CatalogError) {
        for (key, value) in properties {
            try run("INSERT INTO properties VALUES (?, ?)", [.text(key), .text(value)])
        }
    }
}

import CASCore
import CatalogFixtures
import Glibc

/// A named revision.
package struct MadeTag: Sendable {
    package var name: String
    package var root: MadeCatalog
    package var revision: UInt64
    package var timestamp: Int64
    package var description: String
}

/// Makes the database of tags. Source: format 4.1.
enum MadeHistory {
    static func store(
        _ tags: [MadeTag], of repository: String, previous: ContentHash?, in folder: ObjectFolder
    ) throws -> ObjectID {
        let file = "\(folder.path)/data/txn/history"
        unlink(file)
        defer { unlink(file) }
        let database = try DatabaseMaker(at: file)
        try database.run(
            """
            CREATE TABLE properties (key TEXT, value TEXT, CONSTRAINT pk_properties PRIMARY KEY (key));
            CREATE TABLE branches (branch TEXT, parent TEXT, initial_revision INTEGER,
                CONSTRAINT pk_branch PRIMARY KEY (branch));
            CREATE TABLE tags (name TEXT, hash TEXT, revision INTEGER, timestamp INTEGER, channel INTEGER,
                description TEXT, size INTEGER, branch TEXT, CONSTRAINT pk_tags PRIMARY KEY (name));
            CREATE TABLE recycle_bin (hash TEXT, flags INTEGER, CONSTRAINT pk_hash PRIMARY KEY (hash));
            INSERT INTO branches VALUES ('', NULL, 0);
            INSERT INTO properties VALUES ('schema', '1.0');
            INSERT INTO properties VALUES ('schema_revision', '3');
            """)
        let setProperty = "INSERT INTO properties VALUES (?, ?)"
        try database.run(setProperty, [.text("fqrn"), .text(repository)])
        if let previous { try database.run(setProperty, [.text("previous_revision"), .text(previous.description)]) }
        for tag in tags {
            try database.run(
                "INSERT INTO tags VALUES (?, ?, ?, ?, 0, ?, ?, '')",
                [
                    .text(tag.name), .text(tag.root.object.hash.description), .integer(Int64(tag.revision)),
                    .integer(tag.timestamp), .text(tag.description), .integer(tag.root.size),
                ])
        }
        return try folder.store(fileAt: file, kind: .history)
    }
}

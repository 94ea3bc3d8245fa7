internal import CASCore
internal import CVMFS
internal import Catalog
internal import Glibc
internal import Signing
internal import SystemPackage

/// The root catalog of a repository without content: revision 0. Source: format 3, 7.1.
enum EmptyRootCatalog {
    /// What a catalog says of its repository.
    struct Properties: Sendable {
        var time: UnixTime
        var ttl: UInt32
        var uid: UInt32
        var gid: UInt32
        var isVolatile = false
        var authorization: String?
    }

    /// - Returns: the object, and the size of the file.
    static func pack(
        _ properties: Properties, algorithm: HashAlgorithm, _ state: StateFolder
    ) throws -> (object: RootObject, size: Int64) {
        let file = state.scratchFile("catalog")
        defer { _ = file.withPlatformString { unlink($0) } }
        try write(properties, to: file.string)
        guard let bytes = try LocalFile.read(file, limit: 1 << 20) else {
            throw PublishingError(.storage, "\(file) has vanished")
        }
        return (try RootObject(bytes, kind: .catalog, algorithm: algorithm), Int64(bytes.count))
    }

    private static func write(_ properties: Properties, to path: String) throws(CatalogError) {
        let database = try WritableDatabase(at: path, label: "the first root catalog")
        try database.run("BEGIN")
        try database.run(
            """
            CREATE TABLE properties (key TEXT, value TEXT, CONSTRAINT pk_properties PRIMARY KEY (key));
            CREATE TABLE catalog (md5path_1 INTEGER, md5path_2 INTEGER, parent_1 INTEGER, parent_2 INTEGER, \
            hardlinks INTEGER, hash BLOB, size INTEGER, mode INTEGER, mtime INTEGER, mtimens INTEGER, \
            flags INTEGER, name TEXT, symlink TEXT, uid INTEGER, gid INTEGER, xattr BLOB, \
            CONSTRAINT pk_catalog PRIMARY KEY (md5path_1, md5path_2));
            CREATE INDEX idx_catalog_parent ON catalog (parent_1, parent_2);
            CREATE TABLE chunks (md5path_1 INTEGER, md5path_2 INTEGER, offset INTEGER, size INTEGER, hash BLOB, \
            CONSTRAINT pk_chunks PRIMARY KEY (md5path_1, md5path_2, offset, size), \
            FOREIGN KEY (md5path_1, md5path_2) REFERENCES catalog(md5path_1, md5path_2));
            CREATE TABLE nested_catalogs (path TEXT, sha1 TEXT, size INTEGER, \
            CONSTRAINT pk_nested_catalogs PRIMARY KEY (path));
            CREATE TABLE bind_mountpoints (path TEXT, sha1 TEXT, size INTEGER, \
            CONSTRAINT pk_bind_mountpoints PRIMARY KEY (path));
            CREATE TABLE statistics (counter TEXT, value INTEGER, CONSTRAINT pk_statistics PRIMARY KEY (counter));
            INSERT INTO properties VALUES ('schema', '2.5');
            INSERT INTO properties VALUES ('schema_revision', '7');
            INSERT INTO properties VALUES ('revision', '0');
            """)
        func set(_ key: String, _ value: String) throws(CatalogError) {
            try database.run("INSERT INTO properties VALUES (?, ?)", [.text(key), .text(value)])
        }
        if properties.isVolatile { try set("volatile", "1") }
        if let authorization = properties.authorization { try set("voms_authz", authorization) }
        try set("TTL", String(properties.ttl))
        let key = RepositoryPath.root.key
        // A directory; two links to it.
        try database.run(
            "INSERT INTO catalog VALUES (?, ?, 0, 0, 2, NULL, 4096, ?, ?, NULL, 1, '', '', ?, ?, NULL)",
            [
                .integer(key.first), .integer(key.second), .integer(0o040755), .integer(properties.time.seconds),
                .integer(Int64(properties.uid)), .integer(Int64(properties.gid)),
            ])
        for (name, _) in CatalogStatistics.Counters.names.sorted(by: { $0.0 < $1.0 }) {
            for scope in ["self_", "subtree_"] {
                try database.run(
                    "INSERT INTO statistics VALUES (?, ?)",
                    [.text(scope + name), .integer(scope + name == "self_dir" ? 1 : 0)])
            }
        }
        try set("last_modified", String(properties.time.seconds))
        try database.run("COMMIT")
    }
}

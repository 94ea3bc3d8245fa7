internal import CASCore

/// Makes the tables of a new catalog, and brings those of an older one up to date. Source: format 3.
struct CatalogTables {
    private let database: WritableDatabase

    /// What catalogs are written in.
    static let schema = CatalogSchema(version: 2.5, revision: 7)

    init(_ database: WritableDatabase) { self.database = database }

    /// The columns of table `catalog`, in the order of a new one.
    static let columns =
        "md5path_1, md5path_2, parent_1, parent_2, hardlinks, hash, size, mode, mtime, mtimens, flags, name, symlink, "
        + "uid, gid, xattr"

    private static let bindMountpoints =
        "CREATE TABLE bind_mountpoints (path TEXT, sha1 TEXT, size INTEGER, "
        + "CONSTRAINT pk_bind_mountpoints PRIMARY KEY (path))"
    private static let parentIndex = "INDEX IF NOT EXISTS idx_catalog_parent ON catalog (parent_1, parent_2)"

    func create() throws(CatalogError) {
        try database.run(
            """
            CREATE TABLE properties (key TEXT, value TEXT, CONSTRAINT pk_properties PRIMARY KEY (key));
            CREATE TABLE catalog (md5path_1 INTEGER, md5path_2 INTEGER, parent_1 INTEGER, parent_2 INTEGER, \
            hardlinks INTEGER, hash BLOB, size INTEGER, mode INTEGER, mtime INTEGER, mtimens INTEGER, flags INTEGER, \
            name TEXT, symlink TEXT, uid INTEGER, gid INTEGER, xattr BLOB, \
            CONSTRAINT pk_catalog PRIMARY KEY (md5path_1, md5path_2));
            CREATE \(Self.parentIndex);
            CREATE TABLE chunks (md5path_1 INTEGER, md5path_2 INTEGER, offset INTEGER, size INTEGER, hash BLOB, \
            CONSTRAINT pk_chunks PRIMARY KEY (md5path_1, md5path_2, offset, size), \
            FOREIGN KEY (md5path_1, md5path_2) REFERENCES catalog(md5path_1, md5path_2));
            CREATE TABLE nested_catalogs (path TEXT, sha1 TEXT, size INTEGER, \
            CONSTRAINT pk_nested_catalogs PRIMARY KEY (path));
            \(Self.bindMountpoints);
            CREATE TABLE statistics (counter TEXT, value INTEGER, CONSTRAINT pk_statistics PRIMARY KEY (counter));
            INSERT INTO properties VALUES ('schema', '2.5'), ('schema_revision', '7');
            """)
    }

    /// Adds what the newest revision of schema 2.5 has and an earlier one lacks.
    func upgrade(from schema: CatalogSchema) throws(CatalogError) {
        // Listings and writing would scan the whole table for each directory without it.
        try database.run("CREATE \(Self.parentIndex)")
        if schema.revision < 1 { try database.run("ALTER TABLE nested_catalogs ADD size INTEGER") }
        if schema.revision < 2 { try database.run("ALTER TABLE catalog ADD xattr BLOB") }
        if schema.revision < 4 { try database.run(Self.bindMountpoints) }
        if schema.revision < 7 {
            try database.run("ALTER TABLE catalog ADD mtimens INTEGER")
            try database.run("INSERT OR REPLACE INTO properties VALUES ('schema_revision', '7')")
        }
    }
}

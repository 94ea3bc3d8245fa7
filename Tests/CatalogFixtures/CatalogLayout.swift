/// The layouts in which catalogs have been written.
public enum CatalogLayout: Sendable, Hashable, CaseIterable, CustomStringConvertible {
    /// Schema 2.5 with its revisions, 0 to 7.
    case current(revision: Int)
    /// A catalog that began with an earlier revision and was upgraded in place: new columns stand last.
    case upgraded
    case schema24
    /// Below 2.0: property `schema` is 1.2.
    case legacy
    /// Below 2.0, without property `schema`, and without the hashes of nested catalogs.
    case legacyWithoutHashes

    public static let newest = CatalogLayout.current(revision: 7)

    public static var allCases: [CatalogLayout] {
        (0...7).map { .current(revision: $0) } + [.upgraded, .schema24, .legacy, .legacyWithoutHashes]
    }

    public var revision: Int {
        switch self {
        case .current(let revision): revision
        case .upgraded: 7
        case .schema24, .legacy, .legacyWithoutHashes: 0
        }
    }

    public var isLegacy: Bool { self == .legacy || self == .legacyWithoutHashes }
    public var hasMountpointSizes: Bool { !isLegacy && revision >= 1 }
    public var hasXattrs: Bool { !isLegacy && revision >= 2 }
    public var hasBindMountpoints: Bool { !isLegacy && revision >= 4 }
    public var hasNanoseconds: Bool { !isLegacy && revision >= 7 }

    /// The property `schema`; `nil` where there is none.
    public var schema: String? {
        switch self {
        case .current, .upgraded: "2.5"
        // As a writer that keeps versions in 32 bits stores them.
        case .schema24: "2.4000000953674316"
        case .legacy: "1.2"
        case .legacyWithoutHashes: nil
        }
    }

    /// The names of the counters that it has, after `self_` or `subtree_`.
    public var counters: [String] {
        guard !isLegacy else { return [] }
        var names = ["regular", "symlink", "dir", "nested", "chunked", "chunks", "file_size", "chunked_size"]
        if revision >= 2 { names.append("xattr") }
        if revision >= 3 { names += ["external", "external_file_size"] }
        if revision >= 5 { names.append("special") }
        return names
    }

    /// The statements that make its tables and indexes.
    public var tables: [String] {
        let keys = "md5path_1 INTEGER, md5path_2 INTEGER"
        let links = isLegacy ? "inode INTEGER" : "hardlinks INTEGER"
        let owner = isLegacy ? "" : ", uid INTEGER, gid INTEGER"
        let nanoseconds = hasNanoseconds && self != .upgraded ? ", mtimens INTEGER" : ""
        let xattr = hasXattrs ? ", xattr BLOB" : ""
        let last = self == .upgraded ? ", mtimens INTEGER" : ""
        let hash = self == .legacyWithoutHashes ? "" : ", sha1 TEXT"
        let size = hasMountpointSizes ? ", size INTEGER" : ""
        var statements = [
            "CREATE TABLE properties (key TEXT, value TEXT, CONSTRAINT pk_properties PRIMARY KEY (key))",
            "CREATE TABLE catalog (\(keys), parent_1 INTEGER, parent_2 INTEGER, \(links), hash BLOB, size INTEGER, "
                + "mode INTEGER, mtime INTEGER\(nanoseconds), flags INTEGER, name TEXT, symlink TEXT\(owner)\(xattr)"
                + "\(last), CONSTRAINT pk_catalog PRIMARY KEY (md5path_1, md5path_2))",
            "CREATE INDEX idx_catalog_parent ON catalog (parent_1, parent_2)",
            "CREATE TABLE nested_catalogs (path TEXT\(hash)\(size), CONSTRAINT pk_nested PRIMARY KEY (path))",
        ]
        if !isLegacy {
            statements += [
                "CREATE TABLE chunks (\(keys), offset INTEGER, size INTEGER, hash BLOB, CONSTRAINT pk_chunks "
                    + "PRIMARY KEY (md5path_1, md5path_2, offset, size), FOREIGN KEY (md5path_1, md5path_2) "
                    + "REFERENCES catalog (md5path_1, md5path_2))",
                "CREATE TABLE statistics (counter TEXT, value INTEGER, CONSTRAINT pk_statistics PRIMARY KEY (counter))",
            ]
        }
        if hasBindMountpoints {
            statements.append(
                "CREATE TABLE bind_mountpoints (path TEXT, sha1 TEXT, size INTEGER, CONSTRAINT pk_bind PRIMARY KEY (path))"
            )
        }
        return statements
    }

    public var description: String {
        switch self {
        case .current(let revision): "2.5 revision \(revision)"
        case .upgraded: "2.5 upgraded"
        case .schema24: "2.4"
        case .legacy: "1.2"
        case .legacyWithoutHashes: "1.0 without hashes"
        }
    }
}

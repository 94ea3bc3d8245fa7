/// The counters of a catalog. Source: format 3.2.
public struct CatalogStatistics: Sendable, Hashable {
    /// What there is of each kind. Numbers may be negative or wrong: they are what the catalog says.
    public struct Counters: Sendable, Hashable {
        /// Regular files, chunked and external ones included.
        public var regular: Int64 = 0
        public var symlinks: Int64 = 0
        /// Fifos, sockets, devices.
        public var specials: Int64 = 0
        /// Directories, the root's own and nested catalogs' mountpoints included.
        public var directories: Int64 = 0
        /// Nested catalogs; bind mountpoints do not count.
        public var nestedCatalogs: Int64 = 0
        public var chunkedFiles: Int64 = 0
        public var chunks: Int64 = 0
        /// Bytes of regular files.
        public var fileBytes: Int64 = 0
        /// Bytes of chunked files.
        public var chunkedBytes: Int64 = 0
        /// Entries that have extended attributes.
        public var xattrs: Int64 = 0
        public var externalFiles: Int64 = 0
        /// Bytes of external files.
        public var externalBytes: Int64 = 0

        public init() {}

        /// Entries of any kind.
        public var entries: Int64 { regular &+ symlinks &+ specials &+ directories }

        /// The counters by the names that catalogs give them, after `self_` or `subtree_`, in the format's order.
        public static let names: [(name: String, counter: any WritableKeyPath<Counters, Int64> & Sendable)] = [
            ("regular", \.regular), ("symlink", \.symlinks), ("special", \.specials), ("dir", \.directories),
            ("nested", \.nestedCatalogs), ("chunked", \.chunkedFiles), ("chunks", \.chunks),
            ("file_size", \.fileBytes), ("chunked_size", \.chunkedBytes), ("xattr", \.xattrs),
            ("external", \.externalFiles), ("external_file_size", \.externalBytes),
        ]

        /// Sums, which wrap around.
        public static func + (left: Counters, right: Counters) -> Counters {
            var sum = left
            for (_, counter) in names { sum[keyPath: counter] &+= right[keyPath: counter] }
            return sum
        }
    }

    /// Of the catalog itself: `self_`.
    public let own: Counters
    /// Of all catalogs nested below it: `subtree_`.
    public let subtree: Counters
    /// Counters that the catalog's schema demands and the catalog does not have, by full name; they read as 0.
    ///
    /// The reference does not open such a catalog.
    public let missing: [String]

    public init(own: Counters, subtree: Counters, missing: [String] = []) {
        self.own = own
        self.subtree = subtree
        self.missing = missing
    }

    init(readFrom database: Database, schema: CatalogSchema) throws(CatalogError) {
        var stored: [String: Int64] = [:]
        if !schema.isLegacy {
            let rows = try database.readAll(
                "SELECT counter, value FROM statistics", limit: CatalogLimits.counters
            ) { row throws(CatalogError) in
                let name = String(decoding: row.text(0) ?? [], as: UTF8.self)
                guard let value = row.integer(1) else {
                    throw CatalogError(.malformedProperty, "\(database.label): counter \(name) is no number")
                }
                return (name, value)
            }
            stored = Dictionary(rows) { first, _ in first }
        }
        var (own, subtree) = (Counters(), Counters())
        var missing: [String] = []
        for (name, counter) in Counters.names {
            own[keyPath: counter] = stored["self_" + name] ?? 0
            subtree[keyPath: counter] = stored["subtree_" + name] ?? 0
            missing += ["self_" + name, "subtree_" + name].filter {
                stored[$0] == nil && !schema.mayLack(counter: $0)
            }
        }
        self.init(own: own, subtree: subtree, missing: missing)
    }
}

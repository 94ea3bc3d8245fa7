/// Bounds on what composition fetches and keeps, each with its reason.
public enum CompositionLimits {
    /// Uncompressed size of a catalog: 4 GiB, ten times the largest in use.
    public static let catalogBytes: Int64 = 4 << 30
    /// Bytes of a cached catalog that are read into memory when it is opened: most catalogs are smaller.
    static let catalogReadAhead: Int64 = 8 << 20
    /// Uncompressed size of a history database: a tag takes about 200 bytes.
    public static let historyBytes: Int64 = 256 << 20
    /// Meta-information, as readers of the reference bound it. Source: format 2.5.
    public static let metainfoBytes: Int64 = 64 << 10
    /// A certificate: PEM text with a key of any usual length.
    public static let certificateBytes: Int64 = 64 << 10
    /// Entries that lookups remember for a snapshot, about 500 bytes each.
    public static let cachedEntries = 16_384
    /// Nested catalogs a snapshot holds open; each costs SQLite's page cache and a descriptor.
    public static let loadedCatalogs = 64
    /// Longest path, as the kernel has it.
    public static let pathBytes = 4096
    /// Objects fetched at once by one prefetch or copy.
    public static let parallelFetches = 16
}

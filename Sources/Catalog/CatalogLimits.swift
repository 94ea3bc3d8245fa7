/// Bounds on what a catalog may hold and cost; each is far above what the reference or a file system makes.
public enum CatalogLimits {
    /// Bytes of a name: what Linux file systems hold.
    public static let nameBytes = 255
    /// Bytes of a symlink's target: Linux's PATH_MAX.
    public static let targetBytes = 4096
    /// Bytes of a file: 1 PiB, more than the chunks of one file can make.
    public static let fileBytes: Int64 = 1 << 50
    /// Chunks of one file: 4 TiB of the smallest chunks, and about 50 MB of memory.
    public static let chunksOfFile = 1 << 20
    /// Bytes of one stored value or row; the longest legal one, a blob of xattrs, has 130 562.
    public static let rowBytes = 1 << 20
    /// Bytes of one `CREATE TABLE` statement in a file; the reference's longest has under 400.
    static let schemaStatementBytes = 16 << 10
    /// Nested catalogs and bind mountpoints of one catalog, and branches of a history.
    public static let mountpoints = 1 << 18
    /// Tags of one history; big repositories have some thousands.
    public static let tags = 1 << 18
    /// References of one reflog: one for each revision ever published.
    public static let references = 1 << 20
    /// Properties of a file; the reference writes ten at most.
    static let properties = 256
    /// Counters of a catalog; the reference writes 24.
    static let counters = 256

    /// Steps of SQLite's virtual machine that opening may take: a schema of some 500 objects; the reference's has 13.
    static let stepsToOpen: Int64 = 4096
    /// Steps that one lookup, or one page of a listing, may take: 4 ms or so. A lookup needs 30, a page 10 000.
    static let stepsOfQuery: Int64 = 1 << 20

    /// Bytes of pages that all open files together keep in memory, unless there are more than 256 of them.
    static let pageCacheBytes = 32 << 20
    /// Bytes of pages that one open file keeps at most: SQLite's own default.
    static let pageCacheMost = 2 << 20
    /// Bytes of pages that one open file may keep however many there are: the inner pages of 100 000 entries.
    static let pageCacheLeast = 128 << 10

    /// Bytes of pages that a catalog keeps in memory while it is written: the indexes of 100 000 entries.
    static let writerCacheBytes = 8 << 20

    /// Rows read at a time by listings, which hold no lock and no statement between two pages.
    static let pageRows = 256
    /// Entries of a directory that are read at once to be listed by name, about 1 MB; of larger ones the names are.
    static let entriesSorted = 4096
    /// Bytes that a listing by name may hold of a directory's names: 1 million names of 20 bytes are sorted at once,
    /// more in several passes.
    static let sortingBytes = 40 << 20
    /// Mountpoints of one catalog whose paths' hashes are kept, 8 bytes each, to tell in which nested catalog a path is.
    static let mountpointsKept = 1 << 17
}

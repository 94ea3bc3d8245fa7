/// Bounds on what an archive or an image may hold and cost; each is far above what real ones have.
public enum ArchiveLimits {
    /// Bytes of an entry's path, and of a symlink's or hardlink's target: Linux's PATH_MAX.
    static let pathBytes = 4096
    /// Bytes of one extended header of a tar entry: all its xattrs together. libarchive has the same bound.
    static let extendedHeaderBytes = 1 << 20
    /// Extended headers in a row that belong to no entry yet.
    static let extendedHeadersInRow = 64
    /// Data segments of one sparse file, 16 bytes each.
    static let sparseSegments = 1 << 18
    /// Bytes of one file's content: what catalogs hold.
    static let fileBytes: Int64 = 1 << 50
    /// Entries of one archive, or of all layers of an image.
    public static let entries = 1 << 26
    /// Bytes of content that one archive, or all layers of an image, may unpack to.
    public static let contentBytes: Int64 = 16 << 40
    /// How many times larger than its compressed bytes an archive may become: gzip cannot make it more than 1032.
    public static let expansion: Int64 = 1100
    /// Bytes that may be unpacked before the expansion is looked at, for small archives of large empty files.
    public static let expansionAllowance: Int64 = 4 << 30
    /// Symlinks followed on one path: the kernel's MAXSYMLINKS.
    static let symlinks = 40
    /// Files whose content is being stored while the archive is read on.
    static let filesPending = 2048
}

/// The bounds of one archive that a caller may choose.
package struct ArchiveBounds: Sendable {
    package var entries = ArchiveLimits.entries
    package var contentBytes = ArchiveLimits.contentBytes
    package var expansion = ArchiveLimits.expansion
    package var expansionAllowance = ArchiveLimits.expansionAllowance

    package init() {}
}

/// What kernel and session can agree on when a mount begins; the bits are the protocol's.
public struct Features: OptionSet, Hashable, Sendable, Codable {
    public let rawValue: UInt64

    public init(rawValue: UInt64) { self.rawValue = rawValue }

    private static func bit(_ index: UInt64) -> Features { Features(rawValue: 1 << index) }

    /// Several reads of one file at a time.
    public static let asyncRead = bit(0)
    /// Writes of more than a page.
    public static let bigWrites = bit(5)
    public static let spliceWrite = bit(7)
    public static let spliceMove = bit(8)
    public static let spliceRead = bit(9)
    /// A folder's listing comes with the attributes of its entries.
    public static let readDirectoryPlus = bit(13)
    /// ... only where the attributes are wanted, as far as the kernel can tell.
    public static let readDirectoryPlusAuto = bit(14)
    public static let asyncDirectIO = bit(15)
    /// OPEN is answered once with ENOSYS, and never asked again.
    public static let noOpen = bit(17)
    /// Lookups and listings of one folder at a time from several threads.
    public static let parallelDirectories = bit(18)
    /// POSIX ACLs are extended attributes that the kernel itself obeys.
    public static let posixACL = bit(20)
    /// A read of the device says ECONNABORTED after the connection was aborted.
    public static let abortError = bit(21)
    /// Transfers may be longer than 128 KiB.
    public static let maximumPages = bit(22)
    /// A symlink's target is read once.
    public static let cachedLinks = bit(23)
    /// OPENDIR is answered once with ENOSYS, and never asked again.
    public static let noOpenDirectory = bit(24)
    /// The page cache is dropped only when it is told to.
    public static let explicitInvalidation = bit(25)
    /// The second word of flags is there (7.36).
    static let extended = bit(30)
    /// An entry can be let expire without being thrown out.
    public static let expireOnly = bit(35)
    /// A file that was opened for direct reads can be mapped, shared too (7.39).
    public static let mappedDirectIO = bit(36)
    /// The kernel reads an open file from another one by itself (7.40). It excludes ``noOpen``.
    public static let passthrough = bit(37)
    /// What a dead process had read can be had again (7.40).
    public static let resend = bit(39)
    /// Requests through io_uring (7.42).
    public static let overIOUring = bit(41)

    /// What a session uses unless it is told otherwise: no POSIX ACLs, no passthrough and no io_uring, which have a price.
    public static let usual: Features = [
        .asyncRead, .bigWrites, .spliceWrite, .spliceMove, .spliceRead, .readDirectoryPlus, .readDirectoryPlusAuto,
        .asyncDirectIO, .noOpen, .parallelDirectories, .maximumPages, .cachedLinks, .noOpenDirectory, .expireOnly,
        .resend,
    ]

    private static let names: [(Features, String)] = [
        (.asyncRead, "async-read"), (.bigWrites, "big-writes"), (.spliceWrite, "splice-write"),
        (.spliceMove, "splice-move"), (.spliceRead, "splice-read"), (.readDirectoryPlus, "readdirplus"),
        (.readDirectoryPlusAuto, "readdirplus-auto"), (.asyncDirectIO, "async-direct-io"), (.noOpen, "no-open"),
        (.parallelDirectories, "parallel-directories"), (.posixACL, "posix-acl"), (.abortError, "abort-error"),
        (.maximumPages, "max-pages"), (.cachedLinks, "cached-symlinks"), (.noOpenDirectory, "no-opendir"),
        (.explicitInvalidation, "explicit-invalidation"), (.expireOnly, "expire-only"),
        (.mappedDirectIO, "mapped-direct-io"), (.passthrough, "passthrough"), (.resend, "resend"),
        (.overIOUring, "io-uring"),
    ]

    /// One word a feature, for people.
    public var words: [String] { Self.names.filter { contains($0.0) }.map(\.1) }
}

/// How a mount is, at one moment.
public struct MountStatus: Sendable, Codable {
    public struct Cache: Sendable, Codable {
        public var path = ""
        /// Bytes on the disk, and the most that may be.
        public var bytes: Int64 = 0
        public var limit: Int64 = 0
        public var objects: Int64 = 0
    }

    public struct Fetched: Sendable, Codable {
        public var objects = 0
        public var bytes: Int64 = 0
        public var requests = 0
        public var failures = 0
        /// Objects that the cache had.
        public var hits = 0
        /// Objects fetched ahead of programs that read one file after the other.
        public var ahead = 0
    }

    /// In bytes. Source: Docs/Mounting.md.
    public struct Memory: Sendable, Codable {
        /// Of the whole process, as the system counts it.
        public var resident = 0
        /// The table of nodes with its index.
        public var nodes = 0
        /// The page caches of open catalogs.
        public var catalogs = 0
    }

    public struct Kernel: Sendable, Codable {
        /// By the words of `Features`.
        public var features: [String] = []
        /// Of protocol 7.
        public var minor = 0
        public var channels = 0
        public var workers = 0
        /// Requests since this worker began, and those that wait for an answer now.
        public var requests: UInt64 = 0
        public var waiting = 0
        /// By name: LOOKUP, GETATTR, READ and so on.
        public var requestsByKind: [String: UInt64] = [:]
    }

    public var repository = ""
    public var mountpoint = ""
    public var revision: UInt64 = 0
    public var rootHash = ""
    public var tag: String?
    /// Why the newest revision may not be the newest; absent when the servers answer.
    public var offline: String?
    public var timeToLive: Int64 = 0
    public var server: String?
    public var process: Int32 = 0
    /// Seconds since this worker began.
    public var uptime: Int64 = 0
    public var nodes = 0
    public var loadedCatalogs = 0
    public var openContents = 0
    public var ioErrors = 0
    /// How programs' reads get at what the cache has, by the words of `MountConfiguration.Reading`; and why not
    /// otherwise, if that was wished for.
    public var reading: String?
    public var readingFailure: String?
    /// Open files that the kernel reads by itself.
    public var passedThrough: Int?
    public var cache = Cache()
    public var fetched = Fetched()
    public var memory = Memory()
    public var kernel = Kernel()
    /// The last change to a newer revision: folders known, those whose listings were compared, names invalidated.
    public var lastChange: [Int]?

    public init() {}
}

/// Something that had to be fetched, or could not be.
public struct MountMiss: Sendable, Codable {
    /// Seconds since 1970.
    public var time: Double
    /// What it was: `file`, `chunk`, `catalog`, `manifest` and so on.
    public var kind: String
    /// The path that made it necessary, if any.
    public var path: String?
    /// The object, if it has a name.
    public var object: String?
    /// Why: `demand` when a program waited, `prefetch` when it was ahead of one.
    public var why: String
    /// The server that delivered; absent when none did.
    public var source: String?
    public var bytes: Int64
    public var milliseconds: Double
    /// Why it failed; absent when it did not.
    public var failure: String?
}

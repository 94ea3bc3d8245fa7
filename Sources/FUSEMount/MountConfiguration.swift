/// Everything that a mount is told when it begins, and that its later processes need: no more is asked of anybody.
public struct MountConfiguration: Sendable, Hashable, Codable {
    public enum State: Sendable, Hashable, Codable {
        /// The newest revision, and newer ones as they come.
        case newest
        case tag(String)
        /// A time in seconds since 1970.
        case date(Int64)
        /// A root catalog's hash, as text.
        case root(String)
    }

    /// When magic extended attributes are listed. Source: format 6.4.
    public enum MagicVisibility: String, Sendable, Hashable, Codable, CaseIterable {
        case rootonly, never, always
    }

    /// How programs' reads get at what the cache has.
    public enum Reading: String, Sendable, Hashable, Codable, CaseIterable {
        /// Through the kernel's page cache of the mount: no open and no second read asks anybody.
        case cached
        /// Each read asks; the only page cache is that of the cache's files.
        case direct
        /// The kernel reads the cache's files by itself, each open asks. Where it cannot, as `cached`.
        case passthrough
    }

    // MARK: Of the repository

    /// The repository's name (fqrn).
    public var repository: String
    /// URLs, tried in order.
    public var servers: [String]
    public var externalServers: [String] = []
    public var proxy = "DIRECT"
    /// Files or folders of master keys; absolute paths.
    public var keys: [String] = []
    /// The cache's folder; an absolute path.
    public var cache: String
    public var cacheLimit: Int64 = 4 << 30
    public var state = State.newest
    /// A file of certificates and revisions that are refused.
    public var blacklist = "/etc/cvmfs/blacklist"
    /// Seconds to connect and to be too slow, directly and through a proxy; `nil` for the defaults.
    public var timeout: Int?
    /// Upper bound of the time to live, in seconds; `nil` for none.
    public var maximumTimeToLive: Int64?

    // MARK: Of the mount

    /// Where it is mounted; an absolute path.
    public var mountpoint: String
    public var ownership = Ownership.published
    public var magicVisibility = MagicVisibility.rootonly
    /// Whether other users may see the mount; by default those of root's mounts may.
    public var allowOther: Bool?
    /// Whether the kernel checks permissions.
    public var checksPermissions = true
    public var noExecution = false
    /// Threads that answer; `nil` for as many as there are processors, two at least.
    public var workers: Int?
    /// Kernel features that are done without, by their words in `status`.
    public var without: [String] = []
    /// Nodes that the kernel may know at a time.
    public var nodes = MountLimits.nodes
    /// `nil` for `cached`. It stays as it is for as long as the mount lives.
    public var reading: Reading?
    /// Whether the service manager keeps the mount's descriptors for a keeper after this one; `nil` for no.
    public var isStored: Bool?
    /// FUSE's device, and the program that mounts for ordinary users.
    public var device = "/dev/fuse"
    public var helper = "fusermount3"

    public init(repository: String, servers: [String], cache: String, mountpoint: String) {
        self.repository = repository
        self.servers = servers
        self.cache = cache
        self.mountpoint = mountpoint
    }
}

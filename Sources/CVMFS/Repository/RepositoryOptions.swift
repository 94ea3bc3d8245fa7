public import Logging
public import Signing
public import SystemPackage
public import Transport

/// Settings of an opened repository; the defaults suit most programs.
public struct RepositoryOptions: Sendable {
    /// What time it is, for the expiry of whitelists. Tests and replays inject their own.
    public var clock: @Sendable () -> UnixTime
    /// What variables in symlinks expand to.
    public var symlinkVariables: SymlinkVariables
    /// Entries that lookups of a snapshot remember, absent ones too.
    public var cachedEntries: Int
    /// Nested catalogs that a snapshot holds open.
    public var loadedCatalogs: Int
    /// Where libraries log, at trace and debug level only.
    public var logger: Logger
    /// Upper bound of a repository's time to live, in seconds; `nil` for none.
    public var maximumTimeToLive: Int64?
    /// Certificates and revisions that are refused; asked again whenever the servers are, on a thread that may block.
    public var blacklist: @Sendable () throws -> Blacklist
    /// Where the content of external files is to be had; without it they cannot be read.
    public var externalTransport: (any ObjectTransport)?
    /// Where the newest state seen is remembered, against older ones; by default the cache's own folder.
    public var stateFolder: FilePath?

    public init() {
        clock = { UnixClock.now() }
        symlinkVariables = .environment
        cachedEntries = CompositionLimits.cachedEntries
        loadedCatalogs = CompositionLimits.loadedCatalogs
        logger = Logger(label: "cvmfs")
        maximumTimeToLive = nil
        blacklist = { .empty }
        externalTransport = nil
        stateFolder = nil
    }
}

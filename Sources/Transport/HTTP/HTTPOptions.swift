/// How one server is spoken to.
public struct HTTPOptions: Sendable, Hashable {
    /// One proxy, or `.direct`, the default.
    public var proxy: Proxy

    /// How long a connection may take, and how long a transfer may be too slow, on the straight way: 10 s.
    ///
    /// Long enough for a distant server; there is none behind it that would answer earlier. CVMFS_TIMEOUT_DIRECT.
    public var directTimeout: Duration = .seconds(10)

    /// The same through a proxy: 5 s, for a proxy is near, and there may be another. CVMFS_TIMEOUT.
    public var proxyTimeout: Duration = .seconds(5)

    /// A transfer below so many bytes a second is too slow: 1024. CVMFS_LOW_SPEED_LIMIT.
    public var lowSpeedLimit = 1024

    /// How long a whole transfer may take; by default any time, since large objects over slow lines do.
    public var totalTimeout: Duration?

    /// Whether redirections are followed, four at most; by default not, since a repository's servers have no reason
    /// for them, and what a captive portal redirects to is no object. CVMFS_FOLLOW_REDIRECTS.
    public var followsRedirects = false

    /// File of certificates (PEM) to trust for https instead of the system's.
    public var certificateAuthorities: String?

    /// What servers log of us. It begins with `cvmfs `, which some of them sort by.
    public var userAgent = "cvmfs swift-cvmfs/0.1.0"

    public init(proxy: Proxy = .direct) { self.proxy = proxy }

    /// The limit in force for the connection and for slowness.
    var timeout: Duration { proxy == .direct ? directTimeout : proxyTimeout }
}

/// How many connections an event loop keeps, and how it shares them out.
public struct ConnectionLimits: Sendable, Hashable {
    /// Transfers at the same time, to all servers together: 64.
    public var total = 64

    /// Transfers at the same time to one server or proxy: 16, enough to hide the round trips of small objects.
    public var perServer = 16

    /// Of those, how many prefetching leaves free, so that what is waited for need not wait for it: 2.
    public var demandReserve = 2

    public init() {}
}

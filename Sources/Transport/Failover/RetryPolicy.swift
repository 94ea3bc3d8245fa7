/// How hard a download is tried. Source: format 5.2, 5.3, 6.5.
public struct RetryPolicy: Sendable, Hashable {
    /// How often one download asks the same URL again after a transfer failed: 1. CVMFS_MAX_RETRIES.
    public var maxRetries = 1

    /// The pause before the first of these is random between zero and this: 2 s. CVMFS_BACKOFF_INIT.
    public var backoffInitial: Duration = .seconds(2)

    /// Each further pause is twice the last one, at most this: 10 s. CVMFS_BACKOFF_MAX.
    public var backoffMaximum: Duration = .seconds(10)

    /// So long after the first server was left it is tried again: 30 minutes. Zero: never. CVMFS_HOST_RESET_AFTER.
    public var hostResetAfter: Duration = .seconds(1800)

    public init() {}
}

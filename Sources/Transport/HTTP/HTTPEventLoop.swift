import Synchronization

/// The thread on which libcurl runs all transfers, and the connections that it keeps alive.
///
/// One is enough for a program: transports share `shared` unless they are told otherwise.
public final class HTTPEventLoop: Sendable {
    public static let shared = HTTPEventLoop()

    let core: LoopCore

    /// The thread starts with the first transfer, and ends when the loop and all transports on it are released.
    public init(limits: ConnectionLimits = ConnectionLimits()) { core = LoopCore(limits: limits) }

    /// Begins to load libcurl, which takes some milliseconds, while the program does something else. Never needed.
    public func prepare() { core.prepare() }

    deinit { core.stop() }

    /// What the loop has done and holds.
    package var statistics: LoopStatistics { core.statistics.withLock { $0 } }
}

/// Numbers of an event loop, for tests and status.
package struct LoopStatistics: Sendable, Equatable {
    /// Transfers that have ended, in whatever way.
    package var ended = 0
    /// Transfers that wait for a connection, and that are under way.
    package var waiting = 0
    package var running = 0
    /// The most that were under way at the same time.
    package var mostRunning = 0
    /// How often a transfer had to wait for its sink.
    package var pauses = 0
}

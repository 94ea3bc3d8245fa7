import CASCore

/// What the failure of one attempt means for the next. Source: format 5.1.
enum FailureClass: Sendable, Hashable, CaseIterable {
    /// The way was bad: the same again after a pause may do.
    case transfer
    /// The server, or the proxy on the way to it, does not deliver: another server may.
    case answer
    /// The bytes are wrong: a cache on the way may have a bad copy.
    case badData
    /// Nothing that another attempt could change.
    case final

    /// Sorts an error of a transport or a sink.
    init(_ error: any Error) {
        switch error {
        case let error as TransportError: self.init(error)
        case let error as CASError: self = error.isBadData ? .badData : .final
        default: self = .final
        }
    }

    // With one proxy or none, the proxy's failures end where the server's do; with groups of proxies they will not.
    private init(_ error: TransportError) {
        switch error.code {
        case .cannotConnect, .timeout, .incompleteTransfer, .tlsFailed, .tooManyRedirects: self = .transfer
        case .serverStatus: self = error.status == 429 ? .transfer : .answer
        case .notFound, .proxyStatus, .hostNotResolved, .proxyNotResolved, .other: self = .answer
        // Longer than what is wanted can only be something else than what is wanted.
        case .tooLong: self = .badData
        case .invalidConfiguration: self = .final
        }
    }
}

/// The course of one download over several servers.
///
/// A value without I/O: it is told how each attempt failed and says what to do next. Source: format 5.2.
struct DownloadAttempts {
    /// One request to one server.
    struct Attempt: Equatable {
        var server: Int
        var bypassesCaches: Bool
        /// How long to wait before it.
        var pause: Duration = .zero
    }

    private let policy: RetryPolicy
    /// The request itself asks caches to be passed by, on all servers.
    private let alwaysBypassesCaches: Bool
    /// The servers that were asked, one bit each.
    private var asked: UInt64
    private var retries = 0
    private var lastPause: Duration?
    private(set) var current: Attempt

    init(startingAt server: Int, bypassesCaches: Bool, policy: RetryPolicy) {
        self.policy = policy
        alwaysBypassesCaches = bypassesCaches
        asked = 1 << UInt64(server)
        current = Attempt(server: server, bypassesCaches: bypassesCaches)
    }

    /// What to do after the current attempt has failed; `nil` to give up.
    ///
    /// - Parameters:
    ///   - ring: the servers; a server that does not deliver is left for all downloads.
    ///   - now: the present, on the ring's clock.
    ///   - random: evenly spread from 0 to 1.
    mutating func next(
        after failure: FailureClass, ring: inout ServerRing, now: Duration, random: () -> Double
    ) -> Attempt? {
        switch failure {
        case .final:
            return nil
        case .badData where !current.bypassesCaches:
            current.bypassesCaches = true
            current.pause = .zero
            return current
        case .transfer where !current.bypassesCaches && retries < policy.maxRetries:
            retries += 1
            current.pause = nextPause(random)
            return current
        case .transfer, .answer, .badData:
            return nextServer(&ring, now)
        }
    }

    private mutating func nextServer(_ ring: inout ServerRing, _ now: Duration) -> Attempt? {
        ring.leave(current.server, at: now)
        // Where the ring stands now, or what comes after it: others may have moved it to one that was asked here.
        for step in 0..<ring.count {
            let server = (ring.current + step) % ring.count
            if asked & 1 << UInt64(server) != 0 { continue }
            asked |= 1 << UInt64(server)
            current = Attempt(server: server, bypassesCaches: alwaysBypassesCaches)
            return current
        }
        return nil
    }

    private mutating func nextPause(_ random: () -> Double) -> Duration {
        let pause = min(lastPause.map { $0 * 2 } ?? policy.backoffInitial * random(), policy.backoffMaximum)
        lastPause = pause
        return pause
    }
}

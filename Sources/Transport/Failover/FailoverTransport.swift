public import CASCore
import Synchronization

/// Fetches from the first of several servers that delivers, and tries again where that may help.
///
/// What fails on the way is asked for once more after a pause; a server that does not deliver is left for the next
/// one, by all downloads together, until half an hour later; bytes that the sink finds wrong are asked for once more
/// past all caches. Source: format 5.
public final class FailoverTransport: ObjectTransport {
    /// What it needs of the world: the time, and chance.
    package struct Surroundings: Sendable {
        /// Since any fixed moment; only differences count.
        package var now: @Sendable () -> Duration
        package var sleep: @Sendable (Duration) async throws -> Void
        /// Evenly spread from 0 to 1.
        package var random: @Sendable () -> Double

        package init(
            now: @escaping @Sendable () -> Duration, sleep: @escaping @Sendable (Duration) async throws -> Void,
            random: @escaping @Sendable () -> Double
        ) {
            self.now = now
            self.sleep = sleep
            self.random = random
        }

        package static let real: Surroundings = {
            let start = ContinuousClock.now
            return Surroundings(
                now: { ContinuousClock.now - start }, sleep: { try await Task.sleep(for: $0) },
                random: { Double.random(in: 0...1) })
        }()
    }

    private let transports: [any ObjectTransport]
    private let policy: RetryPolicy
    private let surroundings: Surroundings
    private let ring: Mutex<ServerRing>
    /// Which server calls itself what in its receipts.
    private let names = Mutex<[String: Int]>([:])

    /// Puts transports in order, one for each server.
    ///
    /// - Parameters:
    ///   - transports: the preferred one first; between 1 and `TransportLimits.servers`.
    ///   - policy: how hard a download is tried.
    /// - Throws: `TransportError` with code `invalidConfiguration`, when there are none or too many.
    public convenience init(
        _ transports: [any ObjectTransport], policy: RetryPolicy = RetryPolicy()
    ) throws(TransportError) {
        try self.init(transports, policy: policy, surroundings: .real)
    }

    package init(
        _ transports: [any ObjectTransport], policy: RetryPolicy, surroundings: Surroundings
    ) throws(TransportError) {
        guard (1...TransportLimits.servers).contains(transports.count) else {
            throw TransportError(
                .invalidConfiguration,
                "between 1 and \(TransportLimits.servers) servers can be used, not \(transports.count)")
        }
        self.transports = transports
        self.policy = policy
        self.surroundings = surroundings
        ring = Mutex(ServerRing(count: transports.count, resetAfter: policy.hostResetAfter))
    }

    /// Makes a transport for each URL: HTTP with the same options for all, or files.
    ///
    /// - Parameters:
    ///   - urls: as `--server` takes them, the preferred one first (see `ServerURL`).
    ///   - repository: the name that replaces `@fqrn@`.
    ///   - options: how each server of HTTP is spoken to.
    ///   - policy: how hard a download is tried.
    ///   - eventLoop: the thread and the connections that the transports share.
    /// - Throws: `TransportError` with code `invalidConfiguration`, when a URL is none of a server.
    public convenience init(
        servers urls: [String], repository: String? = nil, options: HTTPOptions = HTTPOptions(),
        policy: RetryPolicy = RetryPolicy(), eventLoop: HTTPEventLoop = .shared
    ) throws(TransportError) {
        var transports: [any ObjectTransport] = []
        for url in urls {
            let server = try ServerURL(url, repository: repository)
            switch server.scheme {
            case .file: transports.append(try FileTransport(server))
            case .http, .https:
                transports.append(try HTTPTransport(server, options: options, eventLoop: eventLoop))
            }
        }
        try self.init(transports, policy: policy)
    }

    public func fetch(_ request: TransferRequest, into sink: some ByteSink) async throws -> TransferReceipt {
        let first = ring.withLock { $0.serverForNewDownload(at: surroundings.now()) }
        var attempts = DownloadAttempts(
            startingAt: first, bypassesCaches: request.bypassesCaches, policy: policy)
        let counter = CountingSink(sink)
        var request = request
        var failures = Failures()
        while true {
            request.bypassesCaches = attempts.current.bypassesCaches
            do {
                let receipt = try await transports[attempts.current.server].fetch(request, into: counter)
                names.withLock { $0[receipt.source] = attempts.current.server }
                return TransferReceipt(
                    source: receipt.source, bytes: counter.bytes, requests: receipt.requests + failures.count)
            } catch {
                if error is CancellationError { throw error }
                failures.add(error)
                let next = ring.withLock { ring in
                    attempts.next(
                        after: FailureClass(error), ring: &ring, now: surroundings.now(), random: surroundings.random)
                }
                guard let next else { throw failures.result }
                try Task.checkCancellation()
                if next.pause > .zero { try await surroundings.sleep(next.pause) }
            }
        }
    }

    /// Leaves a server for the next one, though its transfers succeed: what it delivers is not to be trusted.
    ///
    /// - Parameter source: the server, as `TransferReceipt.source` names it.
    /// - Returns: whether there is another server to ask.
    package func leave(_ source: String) -> Bool {
        guard transports.count > 1, let server = names.withLock({ $0[source] }) else { return false }
        ring.withLock { $0.leave(server, at: surroundings.now()) }
        return true
    }
}

/// What the attempts of one download ended in.
private struct Failures {
    private(set) var count = 0
    private var mostTelling: (any Error)?
    private var codes: [String] = []

    mutating func add(_ error: any Error) {
        count += 1
        codes.append((error as? TransportError)?.code.rawValue ?? "refused by the receiver")
        if mostTelling.map({ Self.weight(of: error) >= Self.weight(of: $0) }) ?? true { mostTelling = error }
    }

    /// The error to throw. A sink's own stays as it is.
    var result: any Error {
        guard let mostTelling else { return TransportError(.other, "no attempt was made") }
        guard count > 1, let error = mostTelling as? TransportError else { return mostTelling }
        return TransportError(
            error.code, "\(error.message); all attempts failed: \(codes.joined(separator: ", "))",
            status: error.status, cause: error)
    }

    /// What a server said of the resource tells more than that another one could not be asked.
    private static func weight(of error: any Error) -> Int {
        guard let error = error as? TransportError else { return 3 }
        switch error.code {
        case .tooLong, .invalidConfiguration: return 3
        case .serverStatus, .tlsFailed, .tooManyRedirects, .other: return 2
        case .notFound: return 1
        case .hostNotResolved, .proxyNotResolved, .cannotConnect, .timeout, .incompleteTransfer, .proxyStatus:
            return 0
        }
    }
}

/// Counts what goes through it, for failed attempts leave no receipt.
private final class CountingSink<Sink: ByteSink>: ByteSink {
    private let sink: Sink
    private let count = Atomic<Int64>(0)

    var bytes: Int64 { count.load(ordering: .relaxed) }

    init(_ sink: Sink) { self.sink = sink }

    func restart(expectedLength: Int?) throws { try sink.restart(expectedLength: expectedLength) }

    func write(_ bytes: RawSpan) throws {
        count.add(Int64(bytes.byteCount), ordering: .relaxed)
        try sink.write(bytes)
    }

    func finish() throws { try sink.finish() }
}

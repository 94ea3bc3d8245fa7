import CASCore
import CCurl
import CPlatform
import Synchronization

/// The thread on which libcurl runs all transfers, and the connections that it keeps alive.
///
/// One is enough for a program: transports share `shared` unless they are told otherwise.
public final class HTTPEventLoop: Sendable {
    public static let shared = HTTPEventLoop()

    let core: LoopCore

    /// Starts a thread; it ends when the loop and all transports on it are released.
    public init(limits: ConnectionLimits = ConnectionLimits()) {
        core = LoopCore(limits: limits)
        let context = Unmanaged.passRetained(core)
        let error = cplatform_start_thread(
            "cvmfs-http",
            { context in
                guard let context else { return }
                Unmanaged<LoopCore>.fromOpaque(context).takeRetainedValue().run()
            }, context.toOpaque())
        precondition(error == 0, "no thread can be started (errno \(error))")
    }

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

/// What the loop's thread works on.
///
/// `@unchecked`: `admission` and `idle` are touched by that thread alone; the rest is synchronised.
final class LoopCore: @unchecked Sendable {
    private enum Order {
        case start(HTTPExchange)
        /// There is room in its buffer again.
        case resume(HTTPExchange)
        case abandon(HTTPExchange)
        /// These settings will not be used again.
        case retire(UInt64)
    }

    private struct Inbox {
        var orders: [Order] = []
        var isStopping = false
        /// The thread waits, or is about to, and nobody has woken it yet.
        var isAsleep = false
    }

    private let inbox = Mutex(Inbox())
    private let multi: CurlMulti
    let statistics = Mutex(LoopStatistics())

    private var admission: AdmissionQueue<HTTPExchange>
    private var idle: [UInt64: [CurlEasy]] = [:]
    private let idlePerSettings: Int

    init(limits: ConnectionLimits) {
        multi = CurlMulti(limits: limits)
        admission = AdmissionQueue(limits: limits)
        idlePerSettings = max(1, limits.perServer)
    }

    // MARK: From any thread

    func start(_ exchange: HTTPExchange) { send(.start(exchange)) }

    func resume(_ exchange: HTTPExchange) { send(.resume(exchange)) }

    func abandon(_ exchange: HTTPExchange) { send(.abandon(exchange)) }

    func retire(_ settings: UInt64) { send(.retire(settings)) }

    func stop() {
        wake { $0.isStopping = true }
    }

    private func send(_ order: Order) {
        wake { $0.orders.append(order) }
    }

    private func wake(_ change: (inout sending Inbox) -> Void) {
        let mustWake = inbox.withLock { inbox in
            change(&inbox)
            defer { inbox.isAsleep = false }
            return inbox.isAsleep
        }
        if mustWake { multi.wakeup() }
    }

    // MARK: On the loop's thread

    func run() {
        ccurl_block_broken_pipe_signal()
        var orders: [Order] = []
        while takeOrders(&orders) {
            for order in orders { carryOut(order) }
            orders.removeAll(keepingCapacity: true)
            startAdmitted()
            multi.perform()
            var hasFinished = false
            while let (easy, result) = multi.nextFinished() {
                hasFinished = true
                finish(easy, result)
            }
            // A place has become free, and curl has to begin with who takes it.
            if hasFinished && admission.waiting > 0 { continue }
            let mayRest = inbox.withLock { inbox in
                inbox.isAsleep = inbox.orders.isEmpty && !inbox.isStopping
                return inbox.isAsleep
            }
            if mayRest { multi.wait() }
        }
        idle = [:]
    }

    /// Returns whether to go on.
    private func takeOrders(_ orders: inout [Order]) -> Bool {
        inbox.withLock { inbox in
            inbox.isAsleep = false
            swap(&orders, &inbox.orders)
            return !(inbox.isStopping && orders.isEmpty)
        }
    }

    private func carryOut(_ order: Order) {
        switch order {
        case .start(let exchange):
            if exchange.pipe.isClosed {
                exchange.phase = .ended
                return
            }
            let ticket = admission.enqueue(exchange, server: exchange.settings.peer, priority: exchange.priority)
            exchange.phase = .waiting(ticket)
        case .resume(let exchange):
            if case .running(let easy, _) = exchange.phase { easy.resume() }
        case .abandon(let exchange):
            abandonNow(exchange)
        case .retire(let settings):
            idle[settings] = nil
        }
    }

    private func abandonNow(_ exchange: HTTPExchange) {
        switch exchange.phase {
        case .submitted, .ended: break
        case .waiting(let ticket):
            admission.withdraw(ticket)
            publishCounts()
        case .running(let easy, let ticket):
            multi.remove(easy)
            putAside(easy, ticket, isReusable: false)
        }
        exchange.phase = .ended
    }

    private func startAdmitted() {
        guard admission.waiting > 0 else { return }
        while let exchange = admission.admit() {
            guard case .waiting(let ticket) = exchange.phase else { continue }
            guard let easy = idle[exchange.settings.number]?.popLast() ?? CurlEasy(exchange.settings) else {
                admission.release(ticket)
                exchange.end(TransportError(.other, "\(exchange.url): curl gives no handle; memory may be short"))
                continue
            }
            easy.prepare(exchange)
            exchange.phase = .running(easy, ticket)
            if !multi.add(easy) {
                putAside(easy, ticket, isReusable: false)
                exchange.end(TransportError(.other, "\(exchange.url): curl does not take the transfer"))
            }
        }
        publishCounts()
    }

    private func finish(_ easy: CurlEasy, _ result: CurlResult) {
        guard let exchange = easy.exchange, case .running(_, let ticket) = exchange.phase else {
            multi.remove(easy)
            return
        }
        multi.remove(easy)
        exchange.end(result, of: easy)
        putAside(easy, ticket, isReusable: result.isSuccess)
    }

    /// Ends a handle's transfer, and keeps it for the next one with its settings.
    ///
    /// Only if all went well: curl 7.88 leaves bytes of a broken HTTP/2 transfer in the handle, for the next response.
    private func putAside(_ easy: CurlEasy, _ ticket: AdmissionQueue<HTTPExchange>.Ticket, isReusable: Bool) {
        let settings = easy.exchange?.settings
        easy.forget()
        admission.release(ticket)
        if isReusable, let settings, idle[settings.number, default: []].count < idlePerSettings {
            idle[settings.number, default: []].append(easy)
        }
        statistics.withLock { $0.ended += 1 }
        publishCounts()
    }

    func countPause() { statistics.withLock { $0.pauses += 1 } }

    private func publishCounts() {
        statistics.withLock { statistics in
            statistics.waiting = admission.waiting
            statistics.running = admission.running
            statistics.mostRunning = max(statistics.mostRunning, admission.running)
        }
    }
}

import CASCore
import CCurl
import CPlatform
import Synchronization

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
        var hasStarted = false
        var isStopping = false
        /// What the thread waits on, or is about to, and nobody has woken yet.
        var sleeper: CurlMulti?
    }

    private let inbox = Mutex(Inbox())
    private let limits: ConnectionLimits
    let statistics = Mutex(LoopStatistics())

    private var admission: AdmissionQueue<HTTPExchange>
    private var idle: [UInt64: [CurlEasy]] = [:]
    private let idlePerSettings: Int

    init(limits: ConnectionLimits) {
        self.limits = limits
        admission = AdmissionQueue(limits: limits)
        idlePerSettings = max(1, limits.perServer)
    }

    // MARK: From any thread

    func start(_ exchange: HTTPExchange) {
        let error = wake { inbox in
            // The first transfer starts the thread, which waits for the lock.
            let error = inbox.hasStarted ? 0 : startThread()
            guard error == 0 else { return error }
            inbox.hasStarted = true
            inbox.orders.append(.start(exchange))
            return 0
        }
        if error != 0 {
            exchange.end(TransportError(.other, "\(exchange.url): no thread can be started (errno \(error))"))
        }
    }

    /// Starts the thread before there is a transfer, so that loading libcurl delays none.
    func prepare() {
        wake { inbox in
            guard !inbox.hasStarted, !inbox.isStopping else { return }
            // What fails here fails again, and is told, with the first transfer.
            inbox.hasStarted = startThread() == 0
        }
    }

    func resume(_ exchange: HTTPExchange) { send(.resume(exchange)) }

    func abandon(_ exchange: HTTPExchange) { send(.abandon(exchange)) }

    func retire(_ settings: UInt64) { send(.retire(settings)) }

    func stop() {
        wake { $0.isStopping = true }
    }

    private func send(_ order: Order) {
        wake { if $0.hasStarted { $0.orders.append(order) } }
    }

    private func wake<Result>(_ change: (inout sending Inbox) -> Result) -> Result {
        let (result, sleeper) = inbox.withLock { inbox in
            defer { inbox.sleeper = nil }
            return (change(&inbox), inbox.sleeper)
        }
        sleeper?.wakeup()
        return result
    }

    /// Returns 0 or an errno.
    private func startThread() -> Int32 {
        let context = Unmanaged.passRetained(self)
        let error = cplatform_start_thread(
            "cvmfs-http",
            { context in
                guard let context else { return }
                Unmanaged<LoopCore>.fromOpaque(context).takeRetainedValue().run()
            }, context.toOpaque())
        if error != 0 { context.release() }
        return error
    }

    // MARK: On the loop's thread

    private func run() {
        ccurl_block_broken_pipe_signal()
        if let problem = CurlMulti.load() { return refuse(problem) }
        let multi = CurlMulti(limits: limits)
        var orders: [Order] = []
        while takeOrders(&orders) {
            for order in orders { carryOut(order, multi) }
            orders.removeAll(keepingCapacity: true)
            startAdmitted(multi)
            multi.perform()
            var hasFinished = false
            while let (easy, result) = multi.nextFinished() {
                hasFinished = true
                multi.remove(easy)
                finish(easy, result)
            }
            // A place has become free, and curl has to begin with who takes it.
            if hasFinished && admission.waiting > 0 { continue }
            let mayRest = inbox.withLock { inbox in
                let mayRest = inbox.orders.isEmpty && !inbox.isStopping
                if mayRest { inbox.sleeper = multi }
                return mayRest
            }
            if mayRest { multi.wait() }
        }
        idle = [:]
    }

    /// Ends what waits, and lets the next transfer try again.
    private func refuse(_ problem: String) {
        let orders = inbox.withLock { inbox in
            inbox.hasStarted = false
            defer { inbox.orders = [] }
            return inbox.orders
        }
        for case .start(let exchange) in orders {
            exchange.phase = .ended
            exchange.end(
                TransportError(.other, "\(exchange.url): libcurl cannot be loaded; install it (\(problem))"))
        }
    }

    /// Returns whether to go on.
    private func takeOrders(_ orders: inout [Order]) -> Bool {
        inbox.withLock { inbox in
            inbox.sleeper = nil
            swap(&orders, &inbox.orders)
            return !(inbox.isStopping && orders.isEmpty)
        }
    }

    private func carryOut(_ order: Order, _ multi: CurlMulti) {
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
            abandonNow(exchange, multi)
        case .retire(let settings):
            idle[settings] = nil
        }
    }

    private func abandonNow(_ exchange: HTTPExchange, _ multi: CurlMulti) {
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

    private func startAdmitted(_ multi: CurlMulti) {
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
        guard let exchange = easy.exchange, case .running(_, let ticket) = exchange.phase else { return }
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

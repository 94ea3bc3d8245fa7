import CASCore

/// Which transfer starts next, when more are wanted than connections are allowed.
///
/// A value without I/O. What is waited for starts before what is prefetched, and otherwise the earlier before the
/// later; a server whose connections are all busy holds up nobody else's transfers.
struct AdmissionQueue<Element> {
    /// Says which transfer is meant, when it ends or is given up.
    struct Ticket {
        let server: String
        let priority: FetchPriority
        fileprivate let sequence: UInt64
    }

    private struct Server {
        var demand = WaitingLine<Element>()
        var prefetch = WaitingLine<Element>()
        var running = 0
        var prefetching = 0

        var isIdle: Bool { running == 0 && demand.isEmpty && prefetch.isEmpty }
    }

    private let limits: ConnectionLimits
    private var servers: [String: Server] = [:]
    private var nextSequence: UInt64 = 0
    /// Transfers that have started and not ended.
    private(set) var running = 0
    /// Transfers that have not started.
    private(set) var waiting = 0

    init(limits: ConnectionLimits) {
        self.limits = limits
    }

    /// Adds a transfer.
    mutating func enqueue(_ element: Element, server: String, priority: FetchPriority) -> Ticket {
        let sequence = nextSequence
        nextSequence += 1
        waiting += 1
        switch priority {
        case .demand: servers[server, default: Server()].demand.append(element, sequence)
        case .prefetch: servers[server, default: Server()].prefetch.append(element, sequence)
        }
        return Ticket(server: server, priority: priority, sequence: sequence)
    }

    /// Takes the transfer that is to start now; `nil` when there is none, or the limits are reached.
    mutating func admit() -> Element? {
        guard waiting > 0, running < max(1, limits.total) else { return nil }
        let perServer = max(1, limits.perServer)
        let prefetchers = max(1, perServer - max(0, limits.demandReserve))
        var best: (server: String, priority: FetchPriority, sequence: UInt64)?
        for (name, server) in servers where server.running < perServer {
            let candidate: (priority: FetchPriority, sequence: UInt64)
            if let first = server.demand.first {
                candidate = (.demand, first)
            } else if let first = server.prefetch.first, server.prefetching < prefetchers {
                candidate = (.prefetch, first)
            } else {
                continue
            }
            if let best {
                if best.priority > candidate.priority { continue }
                if best.priority == candidate.priority && best.sequence < candidate.sequence { continue }
            }
            best = (name, candidate.priority, candidate.sequence)
        }
        guard let best else { return nil }
        let element =
            best.priority == .demand
            ? servers[best.server]?.demand.popFirst() : servers[best.server]?.prefetch.popFirst()
        servers[best.server]?.running += 1
        if best.priority == .prefetch { servers[best.server]?.prefetching += 1 }
        running += 1
        waiting -= 1
        return element
    }

    /// A transfer that was admitted has ended.
    mutating func release(_ ticket: Ticket) {
        guard var server = servers[ticket.server] else { return }
        server.running -= 1
        if ticket.priority == .prefetch { server.prefetching -= 1 }
        servers[ticket.server] = server.isIdle ? nil : server
        running -= 1
    }

    /// A transfer that was not admitted yet is given up.
    mutating func withdraw(_ ticket: Ticket) {
        let isRemoved: Bool?
        switch ticket.priority {
        case .demand: isRemoved = servers[ticket.server]?.demand.remove(ticket.sequence)
        case .prefetch: isRemoved = servers[ticket.server]?.prefetch.remove(ticket.sequence)
        }
        guard isRemoved == true else { return }
        waiting -= 1
        if servers[ticket.server]?.isIdle == true { servers[ticket.server] = nil }
    }
}

/// First in, first out, with withdrawal from the middle. Sequence numbers only grow.
struct WaitingLine<Element> {
    private var entries: [(sequence: UInt64, element: Element?)] = []
    private var head = 0
    private var gaps = 0

    var isEmpty: Bool { entries.count - head == gaps }

    /// The number of the first that waits.
    var first: UInt64? { isEmpty ? nil : entries[head].sequence }

    mutating func append(_ element: Element, _ sequence: UInt64) { entries.append((sequence, element)) }

    mutating func popFirst() -> Element? {
        guard !isEmpty else { return nil }
        let element = entries[head].element
        entries[head].element = nil
        gaps += 1
        tidy()
        return element
    }

    /// Returns whether it still waited.
    mutating func remove(_ sequence: UInt64) -> Bool {
        var low = head
        var high = entries.count
        while low < high {
            let middle = low + (high - low) / 2
            if entries[middle].sequence < sequence { low = middle + 1 } else { high = middle }
        }
        guard low < entries.count, entries[low].sequence == sequence, entries[low].element != nil else { return false }
        entries[low].element = nil
        gaps += 1
        tidy()
        return true
    }

    /// Keeps the head on one that waits, and the gaps fewer than those: each operation's share of it is constant.
    private mutating func tidy() {
        while head < entries.count, entries[head].element == nil {
            head += 1
            gaps -= 1
        }
        if entries.count - head == gaps || head + gaps > 32 && head + gaps > entries.count / 2 {
            entries = entries[head...].filter { $0.element != nil }
            (head, gaps) = (0, 0)
        }
    }
}

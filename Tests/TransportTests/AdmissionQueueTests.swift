import CASCore
import FixtureTrees
import Testing

@testable import Transport

@Suite("which transfer starts next")
struct AdmissionQueueTests {
    private static func limits(total: Int, perServer: Int, reserve: Int = 0) -> ConnectionLimits {
        var limits = ConnectionLimits()
        limits.total = total
        limits.perServer = perServer
        limits.demandReserve = reserve
        return limits
    }

    private func admitAll(_ queue: inout AdmissionQueue<Int>) -> [Int] {
        var admitted: [Int] = []
        while let next = queue.admit() { admitted.append(next) }
        return admitted
    }

    @Test("what is waited for overtakes what is prefetched, and otherwise the earlier is first")
    func order() {
        var queue = AdmissionQueue<Int>(limits: Self.limits(total: 100, perServer: 100))
        for number in 0..<10 {
            _ = queue.enqueue(
                number, server: number % 2 == 0 ? "a" : "b", priority: number < 5 ? .prefetch : .demand)
        }
        #expect(admitAll(&queue) == [5, 6, 7, 8, 9, 0, 1, 2, 3, 4])
    }

    @Test("a busy server holds up nobody else, and the total is kept")
    func bounds() {
        var queue = AdmissionQueue<Int>(limits: Self.limits(total: 5, perServer: 2))
        let tickets = (0..<4).map { queue.enqueue($0, server: "a", priority: .demand) }
        let others = (4..<10).map { queue.enqueue($0, server: $0 < 7 ? "b" : "c", priority: .demand) }
        #expect(admitAll(&queue) == [0, 1, 4, 5, 7])
        #expect(queue.running == 5 && queue.waiting == 5)
        queue.release(tickets[0])
        #expect(admitAll(&queue) == [2])
        queue.release(others[0])
        queue.release(others[3])
        #expect(admitAll(&queue) == [6, 8])
        #expect(queue.running == 5 && queue.waiting == 2)
    }

    @Test("prefetching leaves connections free for what is waited for")
    func reserve() {
        var queue = AdmissionQueue<Int>(limits: Self.limits(total: 10, perServer: 4, reserve: 2))
        let prefetches = (0..<4).map { queue.enqueue($0, server: "a", priority: .prefetch) }
        #expect(admitAll(&queue) == [0, 1])
        for number in 10..<13 { _ = queue.enqueue(number, server: "a", priority: .demand) }
        #expect(admitAll(&queue) == [10, 11])
        queue.release(prefetches[0])
        #expect(admitAll(&queue) == [12])
        queue.release(prefetches[1])
        #expect(admitAll(&queue) == [2])
    }

    @Test("senseless limits still let one transfer run")
    func senselessLimits() {
        var queue = AdmissionQueue<Int>(limits: Self.limits(total: 0, perServer: -1, reserve: 7))
        let first = queue.enqueue(1, server: "a", priority: .prefetch)
        _ = queue.enqueue(2, server: "b", priority: .prefetch)
        #expect(admitAll(&queue) == [1])
        queue.release(first)
        #expect(admitAll(&queue) == [2])
    }

    @Test("behaves like a plain list under random orders")
    func randomOrders() {
        var generator = SeededGenerator(for: "random orders of transfers")
        let seed = generator.seed
        var limits = Self.limits(total: 6, perServer: 3, reserve: 1)
        for round in 0..<40 {
            limits.total = Int.random(in: 1...8, using: &generator)
            var queue = AdmissionQueue<Int>(limits: limits)
            var model: [(number: Int, server: String, priority: FetchPriority)] = []
            var tickets: [Int: AdmissionQueue<Int>.Ticket] = [:]
            var running: [Int: (server: String, priority: FetchPriority)] = [:]
            for number in 0..<400 {
                switch Int.random(in: 0..<10, using: &generator) {
                case 0..<5:
                    let server = ["a", "b", "c"].randomElement(using: &generator) ?? "a"
                    let priority: FetchPriority = Bool.random(using: &generator) ? .demand : .prefetch
                    tickets[number] = queue.enqueue(number, server: server, priority: priority)
                    model.append((number, server, priority))
                case 5:
                    // One that waits, one that runs, or one that is long gone: the last two change nothing.
                    guard let victim = tickets.keys.sorted().randomElement(using: &generator),
                        let ticket = tickets[victim]
                    else { continue }
                    if running[victim] != nil { continue }
                    queue.withdraw(ticket)
                    model.removeAll { $0.number == victim }
                case 6, 7:
                    guard let ended = running.keys.sorted().randomElement(using: &generator),
                        let ticket = tickets[ended]
                    else { continue }
                    queue.release(ticket)
                    running[ended] = nil
                default:
                    let expected = modelAdmit(model, running, limits)
                    let admitted = queue.admit()
                    #expect(admitted == expected, "seed \(seed), round \(round)")
                    guard let index = model.firstIndex(where: { $0.number == expected }) else { continue }
                    running[model[index].number] = (model[index].server, model[index].priority)
                    model.remove(at: index)
                }
                #expect(queue.waiting == model.count && queue.running == running.count, "seed \(seed), round \(round)")
            }
        }
    }

    private func modelAdmit(
        _ waiting: [(number: Int, server: String, priority: FetchPriority)],
        _ running: [Int: (server: String, priority: FetchPriority)], _ limits: ConnectionLimits
    ) -> Int? {
        guard running.count < limits.total else { return nil }
        for priority in [FetchPriority.demand, .prefetch] {
            for candidate in waiting where candidate.priority == priority {
                let same = running.values.filter { $0.server == candidate.server }
                if same.count >= limits.perServer { continue }
                let prefetching = same.filter { $0.priority == .prefetch }.count
                if priority == .prefetch, prefetching >= limits.perServer - limits.demandReserve { continue }
                return candidate.number
            }
        }
        return nil
    }
}

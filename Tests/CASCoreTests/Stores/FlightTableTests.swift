import FixtureTrees
import Testing

@testable import CASCore

@Suite("FlightTable")
struct FlightTableTests {
    private typealias Table = FlightTable<String, Int, Int>

    /// The first of two who join one key, and the flight's number.
    private func begun(_ table: TestTable, _ priority: FetchPriority) -> Table.FlightID? {
        guard case .sendRunner(let id) = table.join("a", number: 1, waiter: 1, priority: priority) else { return nil }
        return id
    }

    @Test("the first sends a runner, the next waits, both get the result")
    func joins() throws {
        let table = TestTable()
        let id = try #require(begun(table, .demand))
        guard case .wait = table.join("a", number: 2, waiter: 2, priority: .demand) else {
            Issue.record("the second did not wait")
            return
        }
        #expect(table.begin(id, of: "a"))
        #expect(table.finish(id, of: "a") == [1, 2])
        #expect(table.isEmpty)
        #expect(table.finish(id, of: "a").isEmpty)
    }

    @Test("keys have flights of their own")
    func keys() throws {
        let table = TestTable()
        let first = try #require(begun(table, .demand))
        guard case .sendRunner(let second) = table.join("b", number: 2, waiter: 2, priority: .demand) else {
            Issue.record("no flight for another key")
            return
        }
        #expect(first != second)
        #expect(table.finish(first, of: "a") == [1])
        #expect(table.finish(second, of: "b") == [2])
    }

    @Test("a flight begins once, whichever runner comes first")
    func beginsOnce() throws {
        let table = TestTable()
        let id = try #require(begun(table, .prefetch))
        #expect(table.begin(id, of: "a"))
        #expect(!table.begin(id, of: "a"))
        #expect(!table.begin(id, of: "b"))
    }

    @Test("demand that joins a prefetch nobody has begun sends a runner of its own, once")
    func overtakes() throws {
        let table = TestTable()
        let id = try #require(begun(table, .prefetch))
        #expect(table.attach(10, to: id, of: "a"))
        guard case .sendAnotherRunner(let again) = table.join("a", number: 2, waiter: 2, priority: .demand) else {
            Issue.record("no second runner")
            return
        }
        #expect(again == id)
        guard case .wait = table.join("a", number: 3, waiter: 3, priority: .demand) else {
            Issue.record("a third runner")
            return
        }
        guard case .wait = table.join("a", number: 4, waiter: 4, priority: .prefetch) else {
            Issue.record("prefetch did not wait")
            return
        }
    }

    @Test("demand that joins a prefetch under way raises its runners")
    func raises() throws {
        let table = TestTable()
        let id = try #require(begun(table, .prefetch))
        #expect(table.attach(10, to: id, of: "a"))
        #expect(table.begin(id, of: "a"))
        guard case .raise(let runners) = table.join("a", number: 2, waiter: 2, priority: .demand) else {
            Issue.record("the runners were not raised")
            return
        }
        #expect(runners == [10])
    }

    @Test("the last to leave stops the runners, and who comes then gets a new flight")
    func leaves() throws {
        let table = TestTable()
        let id = try #require(begun(table, .demand))
        _ = table.join("a", number: 2, waiter: 2, priority: .demand)
        #expect(table.attach(10, to: id, of: "a"))
        let first = table.leave("a", number: 1)
        #expect(first?.waiter == 1 && first?.runnersToStop == [])
        #expect(table.leave("a", number: 1) == nil)
        let last = table.leave("a", number: 2)
        #expect(last?.waiter == 2 && last?.runnersToStop == [10])
        #expect(table.isEmpty)
        // The old runner has nothing to say any more.
        let new = try #require(begun(table, .demand))
        #expect(new != id)
        #expect(!table.begin(id, of: "a"))
        #expect(!table.attach(11, to: id, of: "a"))
        #expect(table.finish(id, of: "a").isEmpty)
        #expect(table.finish(new, of: "a") == [1])
    }

    @Test("whatever happens in whatever order, everyone is answered once and no runner runs on for nobody")
    func random() {
        var random = SeededGenerator(for: "FlightTable")
        let seed = random.seed
        for _ in 0..<300 {
            let table = TestTable()
            var lastWaiter = 0
            var waiting: Set<Int> = []
            var flights: [(key: String, id: Table.FlightID, runner: Int)] = []
            var stopped: Set<Int> = []
            for step in 0..<60 {
                let key = ["a", "b"][Int.random(in: 0..<2, using: &random)]
                switch Int.random(in: 0..<4, using: &random) {
                case 0:
                    lastWaiter += 1
                    let priority: FetchPriority = Bool.random(using: &random) ? .demand : .prefetch
                    waiting.insert(lastWaiter)
                    switch table.join(key, number: lastWaiter, waiter: lastWaiter, priority: priority) {
                    case .sendRunner(let id), .sendAnotherRunner(let id):
                        flights.append((key, id, step))
                        #expect(table.attach(step, to: id, of: key), "seed \(seed)")
                    case .raise, .wait: break
                    }
                case 1:
                    guard let number = waiting.randomElement(using: &random) else { continue }
                    for key in ["a", "b"] {
                        guard let (waiter, runners) = table.leave(key, number: number) else { continue }
                        let wasWaiting = waiting.remove(waiter) != nil
                        #expect(wasWaiting, "seed \(seed)")
                        stopped.formUnion(runners)
                    }
                case 2:
                    guard let flight = flights.randomElement(using: &random) else { continue }
                    _ = table.begin(flight.id, of: flight.key)
                default:
                    guard let flight = flights.randomElement(using: &random) else { continue }
                    let answered = table.finish(flight.id, of: flight.key)
                    if stopped.contains(flight.runner) { #expect(answered.isEmpty, "seed \(seed)") }
                    for waiter in answered {
                        let wasWaiting = waiting.remove(waiter) != nil
                        #expect(wasWaiting, "seed \(seed)")
                    }
                }
            }
            for flight in flights {
                for waiter in table.finish(flight.id, of: flight.key) { waiting.remove(waiter) }
            }
            #expect(waiting.isEmpty && table.isEmpty, "seed \(seed)")
        }
    }
}

/// A table that may be changed within an expectation.
private final class TestTable {
    private var table = FlightTable<String, Int, Int>()

    var isEmpty: Bool { table.isEmpty }

    func join(
        _ key: String, number: Int, waiter: Int, priority: FetchPriority
    ) -> FlightTable<String, Int, Int>.Joining {
        table.join(key, number: UInt64(number), waiter: waiter, priority: priority)
    }

    func attach(_ runner: Int, to id: FlightTable<String, Int, Int>.FlightID, of key: String) -> Bool {
        table.attach(runner, to: id, of: key)
    }

    func begin(_ id: FlightTable<String, Int, Int>.FlightID, of key: String) -> Bool { table.begin(id, of: key) }

    func leave(_ key: String, number: Int) -> (waiter: Int, runnersToStop: [Int])? {
        table.leave(key, number: UInt64(number))
    }

    func finish(_ id: FlightTable<String, Int, Int>.FlightID, of key: String) -> [Int] { table.finish(id, of: key) }
}

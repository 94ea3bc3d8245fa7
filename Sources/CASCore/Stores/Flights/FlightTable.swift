/// Which flights are under way and who waits for them: a state machine without tasks, locks or clocks.
///
/// A flight is one effort for one key. Whoever wants a key joins its flight; the last one to leave ends it. A flight is
/// begun by the first of its runners that gets to it, so that a second runner of higher priority can be sent when the
/// first still waits for its turn.
struct FlightTable<Key: Hashable, Waiter, Runner> {
    struct FlightID: Hashable, Sendable { fileprivate let number: UInt64 }

    /// What the one who joined has to do.
    enum Joining {
        /// The flight is new: send a runner.
        case sendRunner(FlightID)
        /// The flight was for prefetch and nobody has begun it: send a runner of demand priority too.
        case sendAnotherRunner(FlightID)
        /// The flight was for prefetch and is under way: raise these runners' priority.
        case raise([Runner])
        case wait
    }

    private struct Flight {
        let id: FlightID
        var priority: FetchPriority
        var isBegun = false
        var waiters: [(number: UInt64, waiter: Waiter)] = []
        var runners: [Runner] = []
    }

    private var flights: [Key: Flight] = [:]
    private var lastFlight: UInt64 = 0

    var isEmpty: Bool { flights.isEmpty }

    /// Adds a waiter to the key's flight, which is made if there is none.
    /// - Parameter number: names the waiter in `leave`; never used twice.
    mutating func join(_ key: Key, number: UInt64, waiter: Waiter, priority: FetchPriority) -> Joining {
        guard var flight = flights.removeValue(forKey: key) else {
            lastFlight += 1
            let id = FlightID(number: lastFlight)
            flights[key] = Flight(id: id, priority: priority, waiters: [(number, waiter)])
            return .sendRunner(id)
        }
        flight.waiters.append((number, waiter))
        let isRaised = flight.priority < priority
        if isRaised { flight.priority = priority }
        flights[key] = flight
        guard isRaised else { return .wait }
        return flight.isBegun ? .raise(flight.runners) : .sendAnotherRunner(flight.id)
    }

    /// Registers a runner that was sent. False when its flight is over, so that the runner should be stopped.
    mutating func attach(_ runner: Runner, to id: FlightID, of key: Key) -> Bool {
        guard flights[key]?.id == id else { return false }
        flights[key]?.runners.append(runner)
        return true
    }

    /// Claims the flight for the runner that asks. False when another has it, or it is over.
    mutating func begin(_ id: FlightID, of key: Key) -> Bool {
        guard let flight = flights[key], flight.id == id, !flight.isBegun else { return false }
        flights[key]?.isBegun = true
        return true
    }

    /// Takes a waiter out. Gives it back when it was still waiting, with the runners to stop when it was the last.
    mutating func leave(_ key: Key, number: UInt64) -> (waiter: Waiter, runnersToStop: [Runner])? {
        guard let position = flights[key]?.waiters.firstIndex(where: { $0.number == number }),
            let (_, waiter) = flights[key]?.waiters.remove(at: position)
        else { return nil }
        // The flight is forgotten at once: who comes now must not join one that is being cancelled.
        if flights[key]?.waiters.isEmpty == true, let flight = flights.removeValue(forKey: key) {
            return (waiter, flight.runners)
        }
        return (waiter, [])
    }

    /// Ends the flight. Gives everyone who waits for its result.
    mutating func finish(_ id: FlightID, of key: Key) -> [Waiter] {
        guard flights[key]?.id == id, let flight = flights.removeValue(forKey: key) else { return [] }
        return flight.waiters.map(\.waiter)
    }
}

internal import Synchronization

/// The connections of one database: one, and more while threads contend for it.
///
/// A connection belongs to the thread that has its slot's lock. Looking up takes some microseconds, so a thread that
/// finds all of them taken waits.
final class ConnectionPool: Sendable {
    private let slots: [Slot]
    private let makeConnection: @Sendable () throws(CatalogError) -> Connection
    private let turn = Atomic<UInt>(0)

    /// - Parameters:
    ///   - first: the connection in the first slot.
    ///   - limit: how many connections there may be.
    ///   - makeConnection: opens a further one.
    init(
        _ first: Connection, limit: Int,
        _ makeConnection: @escaping @Sendable () throws(CatalogError) -> Connection
    ) {
        slots = [Slot(first)] + (1..<max(1, limit)).map { _ in Slot(nil) }
        self.makeConnection = makeConnection
    }

    /// Runs `body` with a connection that no other thread uses meanwhile.
    func withConnection<Result: Sendable>(
        _ body: (Connection) throws(CatalogError) -> Result
    ) throws(CatalogError) -> Result {
        let result = try slots[0].connection.withLockIfAvailable { connection throws(CatalogError) -> Result? in
            guard let connection else { return nil }
            return try body(connection)
        }
        if let result = result ?? nil { return result }
        return try withAnother(body)
    }

    @inline(never)
    private func withAnother<Result: Sendable>(
        _ body: (Connection) throws(CatalogError) -> Result
    ) throws(CatalogError) -> Result {
        for slot in slots.dropFirst() {
            let result = try slot.connection.withLockIfAvailable { connection throws(CatalogError) -> Result? in
                // Without memory for a further connection the thread waits for one that exists.
                if connection == nil { connection = try? makeConnection() }
                guard let connection else { return nil }
                return try body(connection)
            }
            if let result = result ?? nil { return result }
        }
        // Waiting in turn spreads the threads over the slots.
        let index = turn.wrappingAdd(1, ordering: .relaxed).newValue % UInt(slots.count)
        if let result = try slots[Int(index)].use(body) { return result }
        return try slots[0].require(body)
    }

    /// Calls `body` with each connection that is open.
    func forEach(_ body: (Connection) -> Void) {
        for slot in slots { slot.connection.withLock { if let connection = $0 { body(connection) } } }
    }

    /// Closes all connections but the first, and gives back the pages that this one keeps.
    func releaseMemory() {
        for slot in slots.dropFirst() { slot.connection.withLock { $0 = nil } }
        slots[0].connection.withLock { $0?.releaseMemory() }
    }
}

/// A place for a connection, and the lock that says whose it is.
private final class Slot: Sendable {
    let connection: Mutex<Connection?>

    init(_ connection: Connection?) { self.connection = Mutex(connection) }

    /// Waits for the connection; `nil` when there is none.
    func use<Result: Sendable>(
        _ body: (Connection) throws(CatalogError) -> Result
    ) throws(CatalogError) -> Result? {
        try connection.withLock { connection throws(CatalogError) -> Result? in
            guard let connection else { return nil }
            return try body(connection)
        }
    }

    /// Waits for the connection of the first slot, which always has one.
    func require<Result: Sendable>(
        _ body: (Connection) throws(CatalogError) -> Result
    ) throws(CatalogError) -> Result {
        guard let result = try use(body) else { throw CatalogError(.system, "a database without connections") }
        return result
    }
}

internal import Synchronization

/// The connections of one database: one, and more while threads contend for it.
///
/// A connection belongs to the thread that has its slot's lock. Looking up takes some microseconds, so a thread that
/// finds all of them taken waits.
final class ConnectionPool: Sendable {
    private let first: Mutex<Connection>
    private let others: [Slot]
    private let makeConnection: @Sendable () throws(CatalogError) -> Connection
    private let turn = Atomic<UInt>(0)

    /// - Parameters:
    ///   - first: the connection that there always is.
    ///   - limit: how many connections there may be.
    ///   - makeConnection: opens a further one.
    init(
        _ first: Connection, limit: Int,
        _ makeConnection: @escaping @Sendable () throws(CatalogError) -> Connection
    ) {
        self.first = Mutex(first)
        others = (1..<max(1, limit)).map { _ in Slot() }
        self.makeConnection = makeConnection
    }

    /// Runs `body` with a connection that no other thread uses meanwhile.
    @inline(__always)
    func withConnection<Result: Sendable>(
        _ body: (Connection) throws(CatalogError) -> Result
    ) throws(CatalogError) -> Result {
        let result = try first.withLockIfAvailable { connection throws(CatalogError) in try body(connection) }
        if let result { return result }
        return try withAnother(body)
    }

    @inline(never)
    private func withAnother<Result: Sendable>(
        _ body: (Connection) throws(CatalogError) -> Result
    ) throws(CatalogError) -> Result {
        for slot in others {
            let result = try slot.connection.withLockIfAvailable { connection throws(CatalogError) -> Result? in
                // Without memory for a further connection the thread waits for one that exists.
                if connection == nil { connection = try? makeConnection() }
                guard let connection else { return nil }
                return try body(connection)
            }
            if let result = result ?? nil { return result }
        }
        // Waiting in turn spreads the threads over the connections.
        let index = Int(turn.wrappingAdd(1, ordering: .relaxed).newValue % UInt(others.count + 1))
        if index > 0 {
            let result = try others[index - 1].connection.withLock { connection throws(CatalogError) -> Result? in
                guard let connection else { return nil }
                return try body(connection)
            }
            if let result { return result }
        }
        return try first.withLock { connection throws(CatalogError) in try body(connection) }
    }

    /// Calls `body` with each connection that is open.
    func forEach(_ body: (Connection) -> Void) {
        first.withLock { body($0) }
        for slot in others { slot.connection.withLock { if let connection = $0 { body(connection) } } }
    }

    /// Closes all connections but the first, and gives back the pages that this one keeps.
    func releaseMemory() {
        for slot in others { slot.connection.withLock { $0 = nil } }
        first.withLock { $0.releaseMemory() }
    }
}

/// A place for a further connection.
private final class Slot: Sendable {
    let connection = Mutex<Connection?>(nil)
}

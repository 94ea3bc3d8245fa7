package import CASCore
internal import Logging
internal import Synchronization
internal import Transport

/// Store and transport put together: what a repository gets every byte through.
package final class ObjectFetcher: Sendable {
    package let store: any ObjectStore
    let transport: any ObjectTransport
    /// Where the content of external files is.
    let external: (any ObjectTransport)?
    let events: EventHub
    let counters: FetchCounters
    let logger: Logger

    init(
        store: any ObjectStore, transport: any ObjectTransport, external: (any ObjectTransport)? = nil, logger: Logger,
        events: EventHub = EventHub(), counters: FetchCounters = FetchCounters()
    ) {
        self.store = store
        self.transport = transport
        self.external = external
        self.logger = logger
        self.events = events
        self.counters = counters
    }

    /// The same with another store, reporting to the same listeners.
    func with(_ store: any ObjectStore) -> ObjectFetcher {
        ObjectFetcher(
            store: store, transport: transport, external: external, logger: logger, events: events, counters: counters)
    }

    /// The object if it is cached, at once. A copy whose size is not the catalog's is dropped.
    package func cached(_ id: ObjectID, size: ContentSize) throws(CASError) -> (any StoredObject)? {
        guard let object = try store.cached(id) else { return nil }
        if case .exactly(let expected) = size, object.size != expected {
            try store.remove(id)
            return nil
        }
        counters.countHit()
        return object
    }

    /// The object, from the cache or from a server.
    ///
    /// - Parameter path: where servers keep it, when that is not the usual place.
    func object(
        _ id: ObjectID, size: ContentSize, for reason: FetchEvent.Reason, priority: FetchPriority = .demand,
        at path: String? = nil
    ) async throws -> any StoredObject {
        let request = TransferRequest(
            path ?? id.serverPath, limit: Self.storedBytes(of: size, compression: id.compression), priority: priority)
        return try await object(id, size: size, priority: priority) { [self] sink in
            try await transfer(request, object: id, for: reason, into: sink)
        }
    }

    /// The object, from the cache or from `source`.
    ///
    /// The store is asked once: a look-up for what is not there costs as much as sending the request.
    func object(
        _ id: ObjectID, size: ContentSize, priority: FetchPriority,
        from source: @escaping @Sendable (any ByteSink) async throws -> Void
    ) async throws -> any StoredObject {
        let isFetched = FetchMark()
        func ask() async throws -> any StoredObject {
            try await store.object(id, size: size, priority: priority) { sink in
                isFetched.set()
                try await source(sink)
            }
        }
        do {
            let object = try await ask()
            if !isFetched.isSet { counters.countHit() }
            return object
        } catch let error as CASError where error.isBadData && !isFetched.isSet && store.contains(id) {
            // A copy whose size is not the catalog's; what a server sends wrong is never there.
            try store.remove(id)
            return try await ask()
        }
    }

    /// A small file of the repository's root, whole.
    func file(
        _ name: String, limit: Int64, for reason: FetchEvent.Reason, bypassesCaches: Bool = false
    ) async throws -> (bytes: [UInt8], source: String) {
        let sink = MemorySink(limit: Int(limit))
        let request = TransferRequest(name, limit: limit, bypassesCaches: bypassesCaches)
        let receipt = try await transfer(request, object: nil, for: reason, into: sink)
        return (sink.bytes, receipt.source)
    }

    @discardableResult
    func transfer(
        _ request: TransferRequest, object: ObjectID?, for reason: FetchEvent.Reason, into sink: any ByteSink,
        by other: (any ObjectTransport)? = nil
    ) async throws -> TransferReceipt {
        let start = ContinuousClock.now
        let place = counters.begin()
        func report(_ receipt: TransferReceipt?, _ outcome: FetchEvent.Outcome) {
            let event = FetchEvent(
                reason: reason, object: object, priority: request.priority, source: receipt?.source ?? "",
                bytes: receipt?.bytes ?? 0, requests: receipt?.requests ?? 0,
                duration: ContinuousClock.now - start, outcome: outcome)
            counters.count(event, place: place)
            events.send(event)
        }
        do {
            let receipt = try await (other ?? transport).fetch(request, into: sink)
            report(receipt, .fetched)
            logger.trace("fetched", metadata: ["path": "\(request.path)", "bytes": "\(receipt.bytes)"])
            return receipt
        } catch {
            if !(error is CancellationError) { report(nil, .failed(error)) }
            logger.debug("not fetched", metadata: ["path": "\(request.path)", "error": "\(error)"])
            throw error
        }
    }

    /// The most bytes that a well-made object of a given content can have.
    ///
    /// Deflate never grows content by more than 5 bytes for every 16 KiB and a few; twice that, for other deflaters.
    static func storedBytes(of size: ContentSize, compression: Compression) -> Int64 {
        let plain: Int64 =
            switch size {
            case .exactly(let bytes), .atMost(let bytes): min(max(0, bytes), 1 << 60)
            }
        return compression == .none ? plain : plain + plain / 1024 + 1024
    }
}

/// Whether a store has used the source that it was given.
private final class FetchMark: Sendable {
    private let mark = Atomic(false)

    var isSet: Bool { mark.load(ordering: .relaxed) }

    func set() { mark.store(true, ordering: .relaxed) }
}

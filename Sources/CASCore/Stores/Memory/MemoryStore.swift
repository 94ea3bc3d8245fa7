internal import Synchronization

/// Objects in the memory of this process, the least recently used going first.
///
/// The limit covers all bytes that the store's objects take, also those that are open and no longer in the store.
/// What is open stays; when nothing else is left to go, the limit gives way. What is being fetched is not counted.
public final class MemoryStore: ObjectStore, AdoptingStore {
    private struct Wanted: Hashable {
        let id: ObjectID
        let size: ContentSize
    }

    /// The most that the store keeps.
    public let limit: ByteCount
    /// The largest object that is kept.
    public let objectLimit: ByteCount
    private let objects = Mutex(RecencyList<ObjectID, MemoryContent>())
    private let ledger = MemoryLedger()
    private let flights = SingleFlight<Wanted, any StoredObject>()

    /// - Parameters:
    ///   - limit: the most that is kept, in bytes.
    ///   - objectLimit: the largest object that is kept; by default an eighth of the limit. What is larger can be read
    ///     all the same, from its handle alone.
    public init(limit: ByteCount, objectLimit: ByteCount? = nil) {
        self.limit = limit
        self.objectLimit = objectLimit ?? .bytes(limit.bytes / 8)
    }

    public func cached(_ id: ObjectID) -> (any StoredObject)? {
        objects.withLock { $0.use(id) }.map { MemoryObject(id, $0) }
    }

    public func object(
        _ id: ObjectID, size: ContentSize, priority: FetchPriority,
        from source: @escaping @concurrent @Sendable (any ByteSink) async throws -> Void
    ) async throws -> any StoredObject {
        if let object = cached(id) {
            try size.check(object.size, of: id)
            return object
        }
        return try await flights.value(of: Wanted(id: id, size: size), priority: priority) { [self] in
            if let object = cached(id) {
                try size.check(object.size, of: id)
                return object
            }
            let output = MemoryOutput(size)
            let decoder = ContentDecoder(id: id, size: size, output: output)
            try await source(decoder)
            guard decoder.result != nil else { throw CASError.unfinished(id) }
            return insert(output.take(), as: id)
        }
    }

    public func contains(_ id: ObjectID) -> Bool { objects.withLock { $0.contains(id) } }

    public func remove(_ id: ObjectID) {
        // The content is released outside of the lock.
        let removed = objects.withLock { $0.remove(id) }
        _ = consume removed
    }

    /// What the store's objects take.
    public func usage() -> StoreUsage {
        StoreUsage(size: .bytes(ledger.bytes), objects: Int64(objects.withLock { $0.count }))
    }

    package func adopt(_ object: any StoredObject) throws(CASError) -> (any StoredObject)? {
        guard object.size <= objectLimit.bytes else { return nil }
        var failure: CASError?
        let bytes = [UInt8](unsafeUninitializedCapacity: Int(object.size)) { buffer, count in
            do throws(CASError) {
                count = try object.read(into: UnsafeMutableRawBufferPointer(buffer), at: 0)
            } catch { failure = error }
        }
        if let failure { throw failure }
        guard bytes.count == object.size else { return nil }
        return insert(bytes, as: object.id)
    }

    private func insert(_ bytes: [UInt8], as id: ObjectID) -> any StoredObject {
        let content = MemoryContent(bytes, ledger)
        guard Int64(bytes.count) <= objectLimit.bytes else { return MemoryObject(id, content) }
        // What goes is released outside of the lock, since freeing large memory takes its time.
        var released: [MemoryContent] = []
        var freed: Int64 = 0
        objects.withLock { objects in
            objects.insert(content, for: id)
            while ledger.bytes - freed > limit.bytes {
                // Nobody can take a new reference meanwhile, for that needs the lock.
                guard let oldest = objects.removeOldest(where: { isKnownUniquelyReferenced(&$0) }) else { break }
                freed += Int64(oldest.bytes.count)
                released.append(oldest)
            }
        }
        return MemoryObject(id, content)
    }
}

/// Collects the plain content of an object that is being fetched.
private final class MemoryOutput: ContentOutput {
    /// Space set aside on the word of a catalog alone.
    private static let mostReserved: Int64 = 1 << 20

    private let expected: Int
    private let content = Mutex<[UInt8]>([])

    init(_ size: ContentSize) {
        switch size {
        case .exactly(let bytes): expected = Int(max(0, min(bytes, Self.mostReserved)))
        case .atMost: expected = 0
        }
    }

    func restart() {
        content.withLock { content in
            content.removeAll(keepingCapacity: true)
            content.reserveCapacity(expected)
        }
    }

    func write(_ bytes: RawSpan) {
        content.withLock { content in bytes.withUnsafeBytes { content.append(contentsOf: $0) } }
    }

    /// The content, in no more memory than it needs.
    func take() -> [UInt8] {
        let bytes = content.withLock { content in
            let bytes = content
            content = []
            return bytes
        }
        guard bytes.capacity > bytes.count + bytes.count / 8 + 64 else { return bytes }
        return [UInt8](unsafeUninitializedCapacity: bytes.count) { buffer, count in
            count = bytes.count
            _ = buffer.initialize(from: bytes)
        }
    }
}

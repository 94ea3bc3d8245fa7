public import SystemPackage

/// Several stores as one: asked in order, from the nearest to the farthest.
///
/// Objects are fetched into the *last* writable tier, the one that lasts; a `MemoryStore` before it takes copies of what
/// it has room for. So `TieredStore([memory, disk])` survives the process and answers from memory, and
/// `TieredStore([alienCache, disk])` fetches only what the prepared cache lacks. An object found in one tier is not
/// copied to another disk: its stored bytes, which could be verified there, are gone.
public final class TieredStore: ObjectStore {
    private let tiers: [any ObjectStore]
    /// The position of the tier where objects are fetched to.
    private let home: Int?

    /// - Parameter tiers: from the nearest to the farthest.
    public init(_ tiers: [any ObjectStore]) {
        self.tiers = tiers
        home = tiers.lastIndex { !$0.isReadOnly }
    }

    /// The object from the nearest tier that has it.
    ///
    /// A tier that cannot be read is passed over when another has the object.
    public func cached(_ id: ObjectID) throws(CASError) -> (any StoredObject)? {
        try find(id) { _ in true }
    }

    public func object(
        _ id: ObjectID, size: ContentSize, priority: FetchPriority,
        from source: @escaping @concurrent @Sendable (any ByteSink) async throws -> Void
    ) async throws -> any StoredObject {
        // A prepared cache may hold something of the wrong size under that name; the home can do better.
        let found = try? find(id) { object in (try? size.check(object.size, of: id)) != nil }
        if let object = found ?? nil { return object }
        guard let home else { throw CASError.storesNothing(id, "any of the \(tiers.count) tiers") }
        let object = try await tiers[home].object(id, size: size, priority: priority, from: source)
        return adopted(object, before: home)
    }

    public func contains(_ id: ObjectID) -> Bool { tiers.contains { $0.contains(id) } }

    /// Drops the object from every tier that can be written.
    public func remove(_ id: ObjectID) throws(CASError) {
        for tier in tiers where !tier.isReadOnly { try tier.remove(id) }
    }

    public var isReadOnly: Bool { home == nil }

    public var stateFolder: FilePath? { home.flatMap { tiers[$0].stateFolder } }

    private func find(
        _ id: ObjectID, where fits: (any StoredObject) -> Bool
    ) throws(CASError) -> (any StoredObject)? {
        var failure: CASError?
        for (position, tier) in tiers.enumerated() {
            do throws(CASError) {
                guard let object = try tier.cached(id), fits(object) else { continue }
                return adopted(object, before: position)
            } catch { failure = failure ?? error }
        }
        if let failure { throw failure }
        return nil
    }

    /// The object, copied to a nearer tier where there is one that takes it.
    private func adopted(_ object: any StoredObject, before position: Int) -> any StoredObject {
        for tier in tiers.prefix(position) {
            // Failing to copy is no reason to fail.
            if let tier = tier as? any AdoptingStore, let copy = try? tier.adopt(object) { return copy }
        }
        return object
    }
}

/// A store that can take a copy of an object from another store of this process, which has verified it.
package protocol AdoptingStore: ObjectStore {
    /// - Returns: the copy; `nil` when the store does not want it.
    func adopt(_ object: any StoredObject) throws(CASError) -> (any StoredObject)?
}

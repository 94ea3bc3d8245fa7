import CASCore
import CVMFSTesting
import Synchronization
import SystemPackage

/// A store of one's own: another one, and a count of what was looked for in vain.
final class CountingStore: ObjectStore {
    private let store: any ObjectStore
    private let count = Atomic(0)

    init(_ store: any ObjectStore) { self.store = store }

    var misses: Int { count.load(ordering: .relaxed) }

    func cached(_ id: ObjectID) throws(CASError) -> (any StoredObject)? {
        let object = try store.cached(id)
        if object == nil { count.add(1, ordering: .relaxed) }
        return object
    }

    func object(
        _ id: ObjectID, size: ContentSize, priority: FetchPriority,
        from source: @escaping @Sendable (any ByteSink) async throws -> Void
    ) async throws -> any StoredObject {
        try await store.object(id, size: size, priority: priority, from: source)
    }

    func contains(_ id: ObjectID) -> Bool { store.contains(id) }
    func remove(_ id: ObjectID) throws(CASError) { try store.remove(id) }
    var isReadOnly: Bool { store.isReadOnly }
    var stateFolder: FilePath? { store.stateFolder }
}

let conformance = ObjectStoreConformance { CountingStore(MemoryStore(limit: .mebibytes(64))) }
var kept = 0
for requirement in ObjectStoreConformance.Requirement.allCases {
    do {
        try await conformance.check(requirement)
        kept += 1
    } catch {
        print(error)
    }
}
print("\(kept) of \(ObjectStoreConformance.Requirement.allCases.count) requirements are met")

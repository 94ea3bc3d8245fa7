import CVMFSTesting
import Testing

@testable import CASCore

@Suite("Every store keeps the word of ObjectStore")
struct StoreConformanceTests {
    @Test("DiskStore", arguments: ObjectStoreConformance.Requirement.allCases)
    func disk(_ requirement: ObjectStoreConformance.Requirement) async throws {
        let folder = TestFolder()
        try await ObjectStoreConformance { try DiskStore(at: folder.path, limit: .mebibytes(128)) }.check(requirement)
    }

    @Test("DiskStore on a file system without unnamed files", arguments: ObjectStoreConformance.Requirement.allCases)
    func diskWithNamedFiles(_ requirement: ObjectStoreConformance.Requirement) async throws {
        let folder = TestFolder()
        try await ObjectStoreConformance {
            let cache = try CacheFolder(at: folder.path, isWritable: true, allowing: .attributes)
            return try DiskStore(in: cache, limit: .mebibytes(128))
        }.check(requirement)
    }

    @Test(
        "DiskStore on a file system without extended attributes", arguments: ObjectStoreConformance.Requirement.allCases
    )
    func diskWithCheckFiles(_ requirement: ObjectStoreConformance.Requirement) async throws {
        let folder = TestFolder()
        try await ObjectStoreConformance {
            let cache = try CacheFolder(at: folder.path, isWritable: true, allowing: .unnamedFiles)
            return try DiskStore(in: cache, limit: .mebibytes(128))
        }.check(requirement)
    }

    @Test("MemoryStore", arguments: ObjectStoreConformance.Requirement.allCases)
    func memory(_ requirement: ObjectStoreConformance.Requirement) async throws {
        try await ObjectStoreConformance { MemoryStore(limit: .mebibytes(128)) }.check(requirement)
    }

    @Test("TieredStore of memory and disk", arguments: ObjectStoreConformance.Requirement.allCases)
    func tiered(_ requirement: ObjectStoreConformance.Requirement) async throws {
        let folder = TestFolder()
        try await ObjectStoreConformance {
            TieredStore([MemoryStore(limit: .kibibytes(64)), try DiskStore(at: folder.path, limit: .mebibytes(128))])
        }.check(requirement)
    }

    @Test("the suite finds a store that takes anything")
    func suiteCanFail() async throws {
        let conformance = ObjectStoreConformance { CredulousStore() }
        var failed: [String] = []
        for requirement in ObjectStoreConformance.Requirement.allCases {
            do { try await conformance.check(requirement) } catch { failed.append(requirement.name) }
        }
        for name in ["bytes of another hash are refused and never visible", "every cut of an object is refused"] {
            #expect(failed.contains(name), "not found: \(name)")
        }
    }
}

/// Believes every source: what the suite must find.
private final class CredulousStore: ObjectStore {
    private let memory = MemoryStore(limit: .mebibytes(128))

    func cached(_ id: ObjectID) throws(CASError) -> (any StoredObject)? { memory.cached(id) }
    func contains(_ id: ObjectID) -> Bool { memory.contains(id) }
    func remove(_ id: ObjectID) throws(CASError) { memory.remove(id) }

    func object(
        _ id: ObjectID, size: ContentSize, priority: FetchPriority,
        from source: @escaping @concurrent @Sendable (any ByteSink) async throws -> Void
    ) async throws -> any StoredObject {
        if let object = memory.cached(id) { return object }
        let sink = MemorySink(limit: 1 << 30)
        try await source(sink)
        let content = MemoryContent(sink.bytes, MemoryLedger())
        let object = MemoryObject(id, content)
        return try memory.adopt(object) ?? object
    }
}

import CVMFSTesting
import Testing

@testable import CASCore

@Suite("Every store keeps the word of ObjectStore")
struct StoreConformanceTests {
    @Test("DiskStore", arguments: ObjectStoreConformance.checks)
    func disk(check: ObjectStoreConformance.Check) async throws {
        let folder = TestFolder()
        try await check.run { try DiskStore(at: folder.path, limit: .mebibytes(128)) }
    }

    @Test("DiskStore on a file system without unnamed files", arguments: ObjectStoreConformance.checks)
    func diskWithNamedFiles(check: ObjectStoreConformance.Check) async throws {
        let folder = TestFolder()
        try await check.run {
            let cache = try CacheFolder(at: folder.path, isWritable: true, allowing: .attributes)
            return try DiskStore(in: cache, limit: .mebibytes(128))
        }
    }

    @Test("DiskStore on a file system without extended attributes", arguments: ObjectStoreConformance.checks)
    func diskWithCheckFiles(check: ObjectStoreConformance.Check) async throws {
        let folder = TestFolder()
        try await check.run {
            let cache = try CacheFolder(at: folder.path, isWritable: true, allowing: .unnamedFiles)
            return try DiskStore(in: cache, limit: .mebibytes(128))
        }
    }

    @Test("MemoryStore", arguments: ObjectStoreConformance.checks)
    func memory(check: ObjectStoreConformance.Check) async throws {
        try await check.run { MemoryStore(limit: .mebibytes(128)) }
    }

    @Test("TieredStore of memory and disk", arguments: ObjectStoreConformance.checks)
    func tiered(check: ObjectStoreConformance.Check) async throws {
        let folder = TestFolder()
        try await check.run {
            TieredStore([MemoryStore(limit: .kibibytes(64)), try DiskStore(at: folder.path, limit: .mebibytes(128))])
        }
    }

    @Test("the suite finds a store that takes anything")
    func suiteCanFail() async {
        let failures = await ObjectStoreConformance { CredulousStore() }.failures()
        let failed = Set(failures.map(\.check))
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
        from source: @escaping @Sendable (any ByteSink) async throws -> Void
    ) async throws -> any StoredObject {
        if let object = memory.cached(id) { return object }
        let sink = MemorySink(limit: 1 << 30)
        try await source(sink)
        let content = MemoryContent(sink.bytes, MemoryLedger())
        let object = MemoryObject(id, content)
        return try memory.adopt(object) ?? object
    }
}

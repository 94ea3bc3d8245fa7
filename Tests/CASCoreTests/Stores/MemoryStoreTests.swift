import CVMFSTesting
import Foundation
import SystemPackage
import Testing

@testable import CASCore

@Suite("MemoryStore")
struct MemoryStoreTests {
    private func samples(_ count: Int, size: Int = 1000) -> [SampleObject] {
        (0..<count).map { SampleObject(size: size, seed: UInt64($0), compression: .none) }
    }

    @discardableResult
    private func put(_ object: SampleObject, in store: MemoryStore) async throws -> any StoredObject {
        try await store.object(object.id) { try object.send(to: $0) }
    }

    @Test("the least recently used goes first, and the limit holds")
    func recency() async throws {
        let store = MemoryStore(limit: .bytes(10_000))
        let objects = samples(15)
        for object in objects.prefix(10) { try await put(object, in: store) }
        #expect(store.usage() == StoreUsage(size: .bytes(10_000), objects: 10))
        for number in [0, 3] { #expect(store.cached(objects[number].id) != nil) }
        // Asking whether it is there is no use.
        #expect(store.contains(objects[1].id))
        for object in objects.suffix(5) { try await put(object, in: store) }
        let present = objects.indices.filter { store.contains(objects[$0].id) }
        #expect(present == [0, 3, 7, 8, 9, 10, 11, 12, 13, 14])
        #expect(store.usage() == StoreUsage(size: .bytes(10_000), objects: 10))
    }

    @Test("what is open stays and counts")
    func openStays() async throws {
        let store = MemoryStore(limit: .bytes(10_000))
        let objects = samples(40)
        var handles: [any StoredObject] = []
        for object in objects.prefix(5) { handles.append(try await put(object, in: store)) }
        for object in objects.suffix(20) { try await put(object, in: store) }
        for object in objects.prefix(5) { #expect(store.contains(object.id)) }
        #expect(store.usage().size == .bytes(10_000))
        // All open: the limit gives way.
        for object in objects.suffix(20) { handles.append(try await put(object, in: store)) }
        for object in objects.suffix(20) { #expect(store.contains(object.id)) }
        #expect(store.usage().size == .bytes(25_000))
        for (handle, object) in zip(handles, objects.prefix(5) + objects.suffix(20)) {
            #expect(try handle.readAll() == object.plain)
        }
        // Removed but open, it takes memory all the same.
        for object in objects { store.remove(object.id) }
        #expect(store.usage() == StoreUsage(size: .bytes(25_000), objects: 0))
        handles = []
        #expect(store.usage() == StoreUsage(size: .zero, objects: 0))
    }

    @Test("an object above the bound can be read and is not kept")
    func large() async throws {
        let store = MemoryStore(limit: .bytes(10_000), objectLimit: .bytes(2000))
        let small = samples(3)
        for object in small { try await put(object, in: store) }
        let large = SampleObject(size: 2001, seed: 9)
        var handle: (any StoredObject)? = try await put(large, in: store)
        #expect(try handle?.readAll() == large.plain)
        #expect(!store.contains(large.id))
        #expect(store.usage().size == .bytes(5001))
        handle = nil
        #expect(store.usage().size == .bytes(3000))
        try await put(SampleObject(size: 2000, seed: 9), in: store)
        #expect(store.usage().objects == 4)
    }

    @Test("a descriptor shows the content, nobody can change it, and it counts")
    func descriptor() async throws {
        let store = MemoryStore(limit: .bytes(100_000))
        let object = SampleObject(size: 3000, seed: 1)
        let handle = try await put(object, in: store)
        #expect(store.usage().size == .bytes(3000))
        let kept = try handle.withDescriptor { descriptor in
            #expect(write(descriptor.rawValue, "x", 1) == -1)
            #expect(ftruncate(descriptor.rawValue, 0) == -1)
            let mapped = mmap(nil, 3000, PROT_READ, MAP_SHARED, descriptor.rawValue, 0)
            let bytes = Array(UnsafeRawBufferPointer(start: mapped, count: 3000))
            munmap(mapped, 3000)
            #expect(bytes == object.plain)
            return dup(descriptor.rawValue)
        }
        #expect(store.usage().size == .bytes(6000))
        store.remove(object.id)
        // A duplicate outlives the store's own.
        var bytes = [UInt8](repeating: 0, count: 3000)
        #expect(pread(kept, &bytes, 3000, 0) == 3000)
        #expect(bytes == object.plain)
        close(kept)
    }
}

@Suite("TieredStore")
struct TieredStoreTests {
    private let folder = TestFolder()

    @Test("objects go to the last writable tier, and small ones to memory too")
    func homes() async throws {
        let memory = MemoryStore(limit: .mebibytes(1), objectLimit: .kibibytes(4))
        let disk = try DiskStore(at: folder.path)
        let store = TieredStore([memory, disk])
        let small = SampleObject(size: 4096, seed: 1)
        let large = SampleObject(size: 4097, seed: 2)
        for object in [small, large] {
            let handle = try await store.object(object.id) { try object.send(to: $0) }
            #expect(try handle.readAll() == object.plain)
            #expect(disk.contains(object.id))
        }
        #expect(memory.contains(small.id) && !memory.contains(large.id))
        // What the disk has gets into memory when it is used.
        memory.remove(small.id)
        #expect(try store.cached(small.id) is MemoryObject)
        #expect(memory.contains(small.id))
        #expect(try store.cached(large.id) is CachedObject)
        try store.remove(small.id)
        #expect(!memory.contains(small.id) && !disk.contains(small.id) && !store.contains(small.id))
        #expect(store.contains(large.id))
    }

    @Test("tiers that are only read are asked and not written")
    func readOnlyTiers() async throws {
        let (first, second) = (folder.path.appending("first"), folder.path.appending("second"))
        let object = SampleObject(size: 100, seed: 1)
        let other = SampleObject(size: 100, seed: 2)
        try await DiskStore(at: first).store(object)
        let prepared = try DiskStore(at: first, access: .readOnly)
        let own = try DiskStore(at: second)
        let store = TieredStore([prepared, own])
        #expect(!store.isReadOnly)
        _ = try await store.object(object.id) { _ in throw CancellationError() }
        _ = try await store.object(other.id) { try other.send(to: $0) }
        #expect(!own.contains(object.id) && own.contains(other.id) && !prepared.contains(other.id))
        let closed = TieredStore([prepared])
        #expect(closed.isReadOnly)
        #expect(await refusal { _ = try await closed.object(other.id) { try other.send(to: $0) } } == .readOnly)
        #expect(await refusal { _ = try await TieredStore([]).object(other.id) { _ in } } == .readOnly)
    }
}

@Suite("AlienCache")
struct AlienCacheTests {
    private let folder = TestFolder()

    /// The reference's layout.
    private func prepare(_ objects: [(id: ObjectID, content: [UInt8])]) throws {
        for number in 0..<256 {
            let name = String(number + 256, radix: 16).dropFirst()
            mkdir(folder.path.appending(String(name)).string, 0o770)
        }
        for (id, content) in objects {
            let digits = id.hash.hexadecimal
            let file = folder.path.appending(String(digits.prefix(2)))
                .appending(digits.dropFirst(2) + id.hash.algorithm.suffix)
            #expect(FileManager.default.createFile(atPath: file.string, contents: Data(content)))
            chmod(file.string, 0o660)
        }
    }

    @Test("what the folder holds is given, for both compressions")
    func gives() async throws {
        let objects = HashAlgorithm.allCases.map { SampleObject(size: 5000, seed: 1, algorithm: $0) }
        try prepare(objects.map { ($0.id, $0.plain) })
        let store = try AlienCache(at: folder.path)
        #expect(store.isReadOnly)
        for object in objects {
            for id in [object.id, ObjectID(object.id.hash, compression: .none)] {
                #expect(store.contains(id))
                let handle = try #require(try store.cached(id))
                #expect(try handle.readAll() == object.plain)
                #expect(handle.id == id && handle.size == 5000)
                let byDescriptor = try handle.withDescriptor { descriptor in
                    var bytes = [UInt8](repeating: 0, count: 5000)
                    _ = try bytes.withUnsafeMutableBytes { try descriptor.read(fromAbsoluteOffset: 0, into: $0) }
                    return bytes
                }
                #expect(byDescriptor == object.plain)
            }
            #expect(await refusal { try store.remove(object.id) } == .readOnly)
        }
        let other = SampleObject(size: 1, seed: 2)
        #expect(try store.cached(other.id) == nil && !store.contains(other.id))
        #expect(await refusal { _ = try await store.object(other.id) { try other.send(to: $0) } } == .readOnly)
    }

    @Test("a wrong size is refused, and behind it a store of one's own does better")
    func sizes() async throws {
        let object = SampleObject(size: 5000, seed: 1)
        try prepare([(object.id, Array(object.plain.dropLast()))])
        let alien = try AlienCache(at: folder.path)
        #expect(
            await refusal {
                _ = try await alien.object(object.id, size: .exactly(5000)) { try object.send(to: $0) }
            } == .sizeMismatch)
        let store = TieredStore([alien, MemoryStore(limit: .mebibytes(1))])
        let handle = try await store.object(object.id, size: .exactly(5000)) { try object.send(to: $0) }
        #expect(try handle.readAll() == object.plain)
    }

    @Test("an empty file is believed only of the empty object")
    func empty() throws {
        let stream: [UInt8] = [0x78, 0x9C, 3, 0, 0, 0, 0, 1]
        let empties = HashAlgorithm.allCases.flatMap { algorithm in
            [
                ObjectID(ContentHash(hashing: stream.span.bytes, with: algorithm)),
                ObjectID(ContentHash(hashing: [UInt8]().span.bytes, with: algorithm), compression: .none),
            ]
        }
        let object = SampleObject(size: 100, seed: 1)
        try prepare(empties.map { ($0, []) } + [(object.id, [])])
        let store = try AlienCache(at: folder.path)
        for id in empties {
            #expect(try store.cached(id)?.size == 0)
            #expect(store.contains(id))
        }
        #expect(try store.cached(object.id) == nil)
        #expect(!store.contains(object.id))
        #expect(empties[0].hash.description == "e8ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78")
    }

    @Test("links are not followed, and a folder of something else is refused")
    func refusals() async throws {
        let object = SampleObject(size: 100, seed: 1)
        try prepare([])
        let store = try AlienCache(at: folder.path)
        let digits = object.id.hash.hexadecimal
        let file = folder.path.appending(String(digits.prefix(2))).appending(String(digits.dropFirst(2)))
        #expect(symlink("/etc/passwd", file.string) == 0)
        #expect(try store.cached(object.id) == nil)
        #expect(!store.contains(object.id))
        #expect(await refusal { _ = try AlienCache(at: "/proc") } == .incompatible)
        #expect(await refusal { _ = try AlienCache(at: folder.path.appending("absent")) } == .system)
    }
}

import CPlatform
import CVMFSTesting
import FixtureTrees
import Foundation
import Synchronization
import SystemPackage
import Testing

@testable import CASCore

@Suite("Eviction from a DiskStore")
struct EvictionTests {
    private let folder = TestFolder()

    /// Objects of one block each.
    private func samples(_ count: Int, size: Int = 3000) -> [SampleObject] {
        (0..<count).map { SampleObject(size: size, seed: UInt64($0), compression: .none) }
    }

    @Test("what was not used for the longest time goes, and no more than must")
    func oldestFirst() async throws {
        // No space is left to others, so that only the limit counts.
        let store = try DiskStore(at: folder.path, limit: .kibibytes(4 * 1000), reserve: .zero)
        let objects = samples(890)
        for object in objects { try await store.store(object) }
        var random = SeededGenerator(for: "oldest first")
        let ages = objects.indices.shuffled(using: &random)
        for (object, age) in zip(objects, ages) { store.setAccessed(object, 1_000_000 + Int64(age)) }
        #expect(try store.usage().objects == 890)
        // A sixteenth, at least 1 MiB: 256 blocks.
        #expect(try store.files.evictor.makeRoom(for: .fullDisk))
        for (object, age) in zip(objects, ages) {
            #expect(store.contains(object.id) == (age >= 256), "age \(age), seed \(random.seed)")
        }
        #expect(try store.usage() == store.countedByHand())
        #expect(store.statistics.evictedObjects == 256 && store.statistics.evictedBytes == 256 * 4096)
    }

    @Test("an object that is used again stays")
    func useRenews() async throws {
        let store = try DiskStore(at: folder.path, limit: .gibibytes(1), reserve: .zero)
        let objects = samples(400)
        for object in objects {
            try await store.store(object)
            store.setAccessed(object, 1000)
        }
        for object in objects.prefix(100) { _ = try store.cached(object.id) }
        _ = try store.files.evictor.makeRoom(for: .fullDisk)
        for object in objects.prefix(100) { #expect(store.contains(object.id)) }
        #expect(try store.usage().objects == 400 - 256)
    }

    @Test("the store never passes its limit, and every object can be had")
    func limitHolds() async throws {
        let limit = ByteCount.kibibytes(400)
        let store = try DiskStore(at: folder.path, limit: limit, reserve: .zero)
        let objects = samples(1000)
        for object in objects {
            #expect(try await store.store(object).readAll() == object.plain)
            #expect(try store.usage().size <= limit)
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for part in 0..<8 {
                group.addTask {
                    for object in objects[(part * 125)..<(part * 125 + 125)] {
                        let content = try await store.store(object).readAll()
                        let size = try store.usage().size
                        #expect(content == object.plain)
                        #expect(size <= limit)
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(store.statistics.evictedObjects > 1500)
        // Waits for what goes on in the background.
        _ = try store.files.evictor.makeRoom(for: .upkeep)
        #expect(try store.usage() == store.countedByHand())
    }

    @Test("what is open is not evicted, nor what a duplicate of its descriptor keeps open")
    func openStays() async throws {
        let store = try DiskStore(at: folder.path, limit: .kibibytes(400), reserve: .zero)
        let objects = samples(300)
        var handles: [any StoredObject] = []
        for object in objects.prefix(20) { handles.append(try await store.store(object)) }
        let kept = try await store.store(objects[20]).withDescriptor { dup($0.rawValue) }
        for object in objects.prefix(21) { store.setAccessed(object, 1000) }
        for object in objects.suffix(270) { try await store.store(object) }
        #expect(store.statistics.evictedObjects > 150)
        for object in objects.prefix(21) { #expect(store.contains(object.id)) }
        for (handle, object) in zip(handles, objects) { #expect(try handle.readAll() == object.plain) }
        // And are evicted once they are closed.
        handles = []
        cplatform_close(kept)
        for object in objects.prefix(21) { store.setAccessed(object, 1000) }
        for object in objects.suffix(270) { try await store.store(object) }
        for object in objects.prefix(21) { #expect(!store.contains(object.id)) }
    }

    @Test("when all is open the limit gives way")
    func allOpen() async throws {
        let store = try DiskStore(at: folder.path, limit: .kibibytes(40), reserve: .zero)
        let objects = samples(30)
        var handles: [any StoredObject] = []
        for object in objects { handles.append(try await store.store(object)) }
        for (handle, object) in zip(handles, objects) {
            #expect(try handle.readAll() == object.plain)
            #expect(store.contains(object.id))
        }
        handles = []
        _ = try store.files.evictor.makeRoom(for: .upkeep)
        #expect(try store.usage().size <= .kibibytes(32))
    }

    @Test("an object as large as the whole store can be read, and pushes nothing out")
    func largerThanAll() async throws {
        let store = try DiskStore(at: folder.path, limit: .kibibytes(400), reserve: .zero)
        let objects = samples(50)
        for object in objects { try await store.store(object) }
        for size in [330_000, 500_000, 2_000_000] {
            let large = SampleObject(size: size, seed: UInt64(size), compression: .none)
            let handle = try await store.store(large)
            #expect(try handle.readAll() == large.plain)
            #expect(!store.contains(large.id))
            let throughDescriptor = try handle.withDescriptor { file in
                var bytes = [UInt8](repeating: 0, count: size)
                return bytes.withUnsafeMutableBytes { try? file.read(fromAbsoluteOffset: 0, into: $0) } == size
                    ? bytes : []
            }
            #expect(throughDescriptor == large.plain)
        }
        for object in objects { #expect(store.contains(object.id)) }
        // Unless it is pinned.
        let pinned = SampleObject(size: 500_000, seed: 7, compression: .none)
        #expect(try await store.pin("large", [pinned.id]) == [pinned.id])
        try await store.store(pinned)
        #expect(store.contains(pinned.id))
        #expect(try await store.pin("large", [pinned.id]) == [])
    }

    @Test("a store without room keeps nothing and gives everything")
    func noRoom() async throws {
        let store = try DiskStore(at: folder.path, limit: .zero)
        for object in samples(20) { #expect(try await store.store(object).readAll() == object.plain) }
        #expect(try store.usage().objects == 0)
    }

    @Test("eviction in the background starts by itself")
    func background() async throws {
        let store = try DiskStore(at: folder.path, limit: .kibibytes(4 * 1000), reserve: .zero)
        for object in samples(950) { try await store.store(object) }
        // It was started at nine tenths; a turn of our own waits for it.
        while store.statistics.evictedObjects == 0 { try await Task.sleep(for: .milliseconds(1)) }
        _ = try store.files.evictor.makeRoom(for: .upkeep)
        #expect(try store.usage().objects <= 900)
    }

    @Test("counters that were wrong are right after an eviction, and without one after a restart of the system")
    func countersCorrected() async throws {
        let store = try DiskStore(at: folder.path, limit: .gibibytes(1), reserve: .zero)
        let objects = samples(500)
        for object in objects { try await store.store(object) }
        for number in 0..<256 {
            // As after processes that were killed between counting and storing.
            _ = try store.files.usage.reserve(8192, in: UInt8(number), limit: nil)
            try store.files.usage.settle(8192, in: UInt8(number), isNamed: true)
        }
        #expect(try store.usage().objects == 756)
        _ = try store.files.evictor.makeRoom(for: .fullDisk)
        #expect(try store.usage() == store.countedByHand())
        _ = try store.files.usage.reserve(8192, in: 5, limit: nil)
        try store.files.usage.settle(8192, in: 5, isNamed: true)
        let later = try CacheFolder(at: folder.path, isWritable: true, boot: BootID(first: 3, second: 4))
        let again = try DiskStore(in: later, limit: .gibibytes(1), reserve: .zero)
        _ = try again.files.evictor.makeRoom(for: .upkeep)
        #expect(try again.usage() == again.countedByHand())
    }

    @Test("a cache of more objects than are sampled is still evicted by age")
    func sampled() async throws {
        let store = try DiskStore(at: folder.path, limit: .unlimited, reserve: .zero)
        // Files without content or record: enough for an eviction, and quickly made.
        let count = 12_000
        var old: [ObjectID] = []
        var young: [ObjectID] = []
        for number in 0..<count {
            var seed = UInt64(number)
            let hash = withUnsafeBytes(of: &seed) { bytes in
                ContentHash(hashing: RawSpan(_unsafeBytes: UnsafeRawBufferPointer(bytes)), with: .sha1)
            }
            let id = ObjectID(hash)
            let name = ObjectName(id)
            let place = ObjectName.folderName(name.folder)
            _ = cplatform_make_folder(store.files.folder.descriptor, place)
            let file = name.withPointer { cplatform_create_file(store.files.folder.descriptor, $0) }
            #expect(file >= 0)
            cplatform_set_accessed(file, Int64(number % 4 == 0 ? 1000 : 2000) * 1_000_000_000 + Int64(number))
            cplatform_close(file)
            _ = try store.files.usage.reserve(4096, in: name.folder, limit: nil)
            try store.files.usage.settle(4096, in: name.folder, isNamed: true)
            if number % 4 == 0 { old.append(id) } else { young.append(id) }
        }
        // A sixteenth at a time: four make a quarter.
        for _ in 0..<3 { #expect(try store.files.evictor.makeRoom(for: .fullDisk)) }
        let used = try store.usage()
        #expect(try used == store.countedByHand())
        let gone = young.filter { !store.contains($0) }.count
        #expect(gone == 0, "\(gone) young objects went while \(old.filter(store.contains).count) old ones stayed")
        // The cut comes from a sample of whole folders, so what goes is a sixteenth more or less each time.
        #expect(used.objects < 12_000 * 15 / 16)
    }

    @Test("where the oldest are in use, the next oldest go and the youngest stay")
    func oldestInUse() async throws {
        let store = try DiskStore(at: folder.path, limit: .gibibytes(1), reserve: .zero)
        let objects = samples(1200)
        var handles: [any StoredObject] = []
        for (number, object) in objects.enumerated() {
            let handle = try await store.store(object)
            let name = ObjectName(object.id)
            let file = name.withPointer { cplatform_open_file(store.files.folder.descriptor, $0, 0) }
            cplatform_set_accessed(file, 1000 * 1_000_000_000 + Int64(number))
            cplatform_close(file)
            if number < 400 { handles.append(handle) }
        }
        // A full disk asks for 256 objects of 4 KiB at least: the oldest 400 are open, so 400 to 656 have to go.
        #expect(try store.files.evictor.makeRoom(for: .fullDisk))
        #expect(objects[..<400].allSatisfy { store.contains($0.id) })
        #expect(objects[900...].allSatisfy { store.contains($0.id) })
        #expect(objects[400..<900].count { !store.contains($0.id) } >= 200)
        withExtendedLifetime(handles) {}
    }

    @Test("space on the disk is left to others")
    func reserve() async throws {
        var space = cplatform_space()
        let probe = try CacheFolder(at: folder.path, isWritable: true)
        #expect(cplatform_space_of(probe.descriptor, &space) == 0)
        // More than there is: everything has to go, and can be had all the same.
        let store = try DiskStore(
            in: probe, limit: .gibibytes(4), reserve: .bytes(space.total))
        let objects = samples(20)
        for object in objects { #expect(try await store.store(object).readAll() == object.plain) }
        _ = try store.files.evictor.makeRoom(for: .upkeep)
        #expect(try store.usage().objects == 0)
        #expect(EvictionPolicy.defaultReserve(ofDisk: 1 << 40) == 256 << 20)
        #expect(EvictionPolicy.defaultReserve(ofDisk: 1 << 30) == (1 << 30) / 50)
    }
}

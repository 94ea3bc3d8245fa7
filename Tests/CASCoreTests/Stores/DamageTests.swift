import CPlatform
import CVMFSTesting
import FixtureTrees
import Foundation
import Synchronization
import SystemPackage
import Testing

@testable import CASCore

@Suite("Damage in a DiskStore")
struct DamageTests {
    private let folder = TestFolder()

    /// Where check records are kept.
    enum Records: String, CaseIterable, Sendable { case attributes, files }

    private func open(_ records: Records = .attributes, boot: BootID = .current) throws -> DiskStore {
        let allowed: CacheFolder.Abilities = records == .attributes ? .all : .unnamedFiles
        let cache = try CacheFolder(at: folder.path, isWritable: true, allowing: allowed, boot: boot)
        return try DiskStore(in: cache, limit: .gibibytes(1))
    }

    private func write(_ bytes: [UInt8], to path: FilePath) throws {
        // In place: what the file has besides its content stays.
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path.string))
        try file.truncate(atOffset: 0)
        try file.write(contentsOf: bytes)
        try file.close()
    }

    @Test("verify finds every flipped bit and cut, drops those objects and no other", arguments: Records.allCases)
    func verify(records: Records) async throws {
        let store = try open(records)
        var random = SeededGenerator(for: "damage")
        let objects = (0..<64 as Range<UInt64>).map {
            SampleObject(
                size: [1, 100, 4096, 70_000][Int($0 % 4)], seed: $0, algorithm: HashAlgorithm.allCases[Int($0 % 3)],
                compression: $0 % 2 == 0 ? .zlib : .none)
        }
        for object in objects { try await store.store(object) }
        var damaged: Set<ObjectID> = []
        for (number, object) in objects.enumerated() where number % 3 != 0 {
            var content = object.plain
            if number % 3 == 1 {
                content[Int.random(in: content.indices, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            } else {
                content.removeLast(Int.random(in: 1...content.count, using: &random))
            }
            try write(content, to: store.file(of: object))
            damaged.insert(object.id)
        }
        let reports = Reports()
        let report = try await store.verify { reports.append($0) }
        #expect(Set(report.damagedObjects.map(\.id)) == damaged)
        #expect(report.damagedObjects.allSatisfy { !$0.defect.isEmpty })
        #expect(report.objects == 64)
        #expect(reports.all.map(\.objects) == reports.all.map(\.objects).sorted())
        #expect(reports.all.count == 256 && reports.all.last?.objects == 64)
        for object in objects {
            #expect(store.contains(object.id) != damaged.contains(object.id))
            #expect(try store.cached(object.id)?.readAll() == (damaged.contains(object.id) ? nil : object.plain))
        }
        #expect(try store.usage() == store.countedByHand())
        #expect(store.statistics.droppedObjects == UInt64(damaged.count))
        #expect(try await store.verify().damagedObjects.isEmpty)
        // They can be had again.
        for object in objects { #expect(try await store.store(object).readAll() == object.plain) }
    }

    @Test("an object of another size than its record's is dropped when it is opened", arguments: Records.allCases)
    func size(records: Records) async throws {
        let store = try open(records)
        let object = SampleObject(size: 5000, seed: 1)
        for content in [[], Array(object.plain.dropLast()), object.plain + [0]] as [[UInt8]] {
            try await store.store(object)
            try write(content, to: store.file(of: object))
            #expect(try store.cached(object.id) == nil)
            #expect(!store.contains(object.id))
        }
        #expect(try store.usage().objects == 0)
    }

    @Test("an object without its record, or with a damaged one, is dropped", arguments: Records.allCases)
    func record(records: Records) async throws {
        let store = try open(records)
        let object = SampleObject(size: 5000, seed: 1)
        for damages in [true, false] {
            try await store.store(object)
            let file = store.file(of: object).string
            if records == .attributes {
                // A new file has none.
                unlink(file)
                try Data(object.plain).write(to: URL(fileURLWithPath: file))
                if damages {
                    let descriptor = cplatform_open_file(AT_FDCWD, file, 1)
                    #expect(cplatform_set_attribute(descriptor, "cvmfs.check", "12345678", 8) == 0)
                    cplatform_close(descriptor)
                }
            } else {
                let name = ObjectName(object.id).withPointer { String(cString: $0) }
                let check = folder.path.appending("checks").appending(FilePath(name).components)
                #expect(FileManager.default.fileExists(atPath: check.string))
                if damages { try write([1, 2, 3], to: check) } else { unlink(check.string) }
            }
            #expect(try store.cached(object.id) == nil)
            #expect(!store.contains(object.id))
        }
    }

    @Test("after the system has started anew an object is read once before it is trusted", arguments: Records.allCases)
    func anotherBoot(records: Records) async throws {
        let (first, second) = (BootID(first: 1, second: 1), BootID(first: 2, second: 2))
        let good = SampleObject(size: 600_000, seed: 1, compression: .none)
        let bad = SampleObject(size: 600_000, seed: 2, compression: .none)
        let small = SampleObject(size: 60, seed: 3)
        var store = try open(records, boot: first)
        for object in [good, bad, small] { try await store.store(object) }
        // Zeros, as a file system leaves them when the power fails.
        try write([UInt8](repeating: 0, count: 600_000), to: store.file(of: bad))
        // In the same run of the system nobody looks.
        #expect(try store.cached(bad.id) != nil)
        store = try open(records, boot: second)
        #expect(try store.cached(bad.id) == nil)
        #expect(try store.cached(good.id)?.readAll() == good.plain)
        // It is marked: damage that comes now is not seen by opening it again.
        try write([UInt8](repeating: 0, count: 600_000), to: store.file(of: good))
        #expect(try store.cached(good.id) != nil)
        #expect(try await store.verify().damagedObjects.map(\.id) == [good.id])
        #expect(try store.cached(small.id)?.readAll() == small.plain)
    }

    @Test("what is damaged by a restart is fetched again, on the way of any object")
    func anotherBootAsync() async throws {
        let (first, second) = (BootID(first: 1, second: 1), BootID(first: 2, second: 2))
        for size in [1000, 600_000] {
            let object = SampleObject(size: size, seed: UInt64(size), compression: .none)
            var store = try open(boot: first)
            try await store.store(object)
            store = try open(boot: second)
            // Good: the source is not asked.
            let handle = try await store.object(object.id) { _ in throw CancellationError() }
            #expect(try handle.readAll() == object.plain)
            store = try open(boot: first)
            try write([UInt8](repeating: 0, count: size), to: store.file(of: object))
            let again = try await store.store(object)
            #expect(try again.readAll() == object.plain)
        }
    }

    @Test("a file that is cut while it is open gives an error, and the object is had again")
    func cutWhileOpen() async throws {
        let store = try open()
        let object = SampleObject(size: 10_000, seed: 1)
        let handle = try await store.store(object)
        try write(Array(object.plain.prefix(100)), to: store.file(of: object))
        #expect(await refusal { _ = try handle.readAll() } == .damagedCache)
        #expect(!store.contains(object.id))
        #expect(try await store.store(object).readAll() == object.plain)
    }

    @Test("records in files of their own go with their objects", arguments: [true, false])
    func orphans(isWhole: Bool) async throws {
        let store = try open(.files)
        let objects = (0..<20 as Range<UInt64>).map { SampleObject(size: 100, seed: $0) }
        for object in objects { try await store.store(object) }
        let checks = folder.path.appending("checks").string
        func count() throws -> Int {
            try FileManager.default.subpathsOfDirectory(atPath: checks).filter { $0.contains("/") }.count
        }
        #expect(try count() == 20)
        for object in objects.prefix(5) { try store.remove(object.id) }
        #expect(try count() == 15)
        // As when a process is killed between the two files.
        for object in objects.suffix(5) { unlink(store.file(of: object).string) }
        _ = try await store.verify()
        #expect(try count() == 10)
        for object in objects[5..<15] { #expect(try store.cached(object.id)?.readAll() == object.plain) }
    }

    @Test("verify ends when it is cancelled")
    func cancellation() async throws {
        let store = try open()
        for seed in 0..<20 as Range<UInt64> { try await store.store(SampleObject(size: 100, seed: seed)) }
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await store.verify()
        }
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test("a file system without extended attributes will do")
    func ramfs() async throws {
        guard let mount = TestMount(["-t", "ramfs", "none"], at: folder.path) else { return }
        let store = try DiskStore(at: folder.path)
        #expect(!store.files.folder.abilities.contains(.attributes))
        let object = SampleObject(size: 5000, seed: 1)
        try await store.store(object)
        #expect(try store.cached(object.id)?.readAll() == object.plain)
        try write([UInt8](repeating: 0, count: 5000), to: store.file(of: object))
        #expect(try await store.verify().damagedObjects.map(\.id) == [object.id])
        withExtendedLifetime(mount) {}
    }
}

/// What a progress closure was told.
private final class Reports: Sendable {
    private let reports = Mutex<[StoreVerification]>([])

    var all: [StoreVerification] { reports.withLock { $0 } }

    func append(_ report: StoreVerification) { reports.withLock { $0.append(report) } }
}

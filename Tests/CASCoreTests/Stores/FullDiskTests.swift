import CPlatform
import CVMFSTesting
import Foundation
import SystemPackage
import Testing

@testable import CASCore

@Suite("A DiskStore on a full disk")
struct FullDiskTests {
    private let folder = TestFolder()

    /// A disk of some MiB; `nil` where none can be mounted.
    private func disk(_ mebibytes: Int) -> TestMount? {
        TestMount(["-t", "tmpfs", "-o", "size=\(mebibytes)m", "none"], at: folder.path)
    }

    /// Writes until nothing more goes.
    private func fill(_ name: String, leaving bytes: Int) throws {
        let file = folder.path.appending(name).string
        #expect(FileManager.default.createFile(atPath: file, contents: nil))
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: file))
        let piece = Data(repeating: 1, count: 4096)
        var size = 0
        while (try? handle.write(contentsOf: piece)) != nil { size += 4096 }
        try handle.truncate(atOffset: UInt64(max(0, size - bytes)))
        try handle.close()
    }

    @Test("everything can be read though the limit is far above the disk", arguments: [3000, 40_000, 700_000])
    func smallDisk(size: Int) async throws {
        guard let mount = disk(4) else { return }
        // No reserve, so that it is the full disk itself that is met.
        let store = try DiskStore(at: folder.path, limit: .gibibytes(1), reserve: .zero)
        let count = max(20, 12_000_000 / size)
        let objects = (0..<min(count, 1500)).map { SampleObject(size: size, seed: UInt64($0), compression: .none) }
        for object in objects { #expect(try await store.store(object).readAll() == object.plain) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for part in 0..<3 {
                group.addTask {
                    for number in stride(from: part, to: objects.count, by: 3) {
                        let content = try await store.store(objects[number]).readAll()
                        #expect(content == objects[number].plain)
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(store.statistics.evictedObjects > 0)
        #expect(try await store.verify().damagedObjects.isEmpty)
        #expect(try store.usage() == store.countedByHand())
        withExtendedLifetime(mount) {}
    }

    @Test("others may fill the disk: what is cached makes room for what is asked for")
    func othersFill() async throws {
        guard let mount = disk(4) else { return }
        let store = try DiskStore(at: folder.path, limit: .gibibytes(1), reserve: .zero)
        let objects = (0..<40).map { SampleObject(size: 50_000, seed: UInt64($0), compression: .none) }
        for object in objects.prefix(20) { try await store.store(object) }
        try fill("others", leaving: 0)
        for object in objects { #expect(try await store.store(object).readAll() == object.plain) }
        #expect(try await store.verify().damagedObjects.isEmpty)
        withExtendedLifetime(mount) {}
    }

    @Test("when nothing can be evicted the error says so, and what is cached can still be read")
    func nothingToEvict() async throws {
        guard let mount = disk(4) else { return }
        let store = try DiskStore(at: folder.path, limit: .gibibytes(1), reserve: .zero)
        let objects = (0..<30).map { SampleObject(size: 50_000, seed: UInt64($0), compression: .none) }
        var open: [any StoredObject] = []
        for object in objects.prefix(10) { open.append(try await store.store(object)) }
        for object in objects[10..<20] { try await store.store(object) }
        let lease = try await store.lease(objects[10..<20].map(\.id), for: "test")
        try fill("others", leaving: 0)
        for object in objects.suffix(10) {
            #expect(await refusal { try await store.store(object) } == .noSpace)
            #expect(!store.contains(object.id))
        }
        for (handle, object) in zip(open, objects) { #expect(try handle.readAll() == object.plain) }
        for object in objects.prefix(20) { #expect(try store.cached(object.id)?.readAll() == object.plain) }
        // As soon as something can go it does.
        open = []
        for object in objects.suffix(10) { #expect(try await store.store(object).readAll() == object.plain) }
        for object in objects[10..<20] { #expect(store.contains(object.id)) }
        withExtendedLifetime((mount, lease)) {}
    }

    @Test("the reserve is kept free on the disk")
    func reserve() async throws {
        guard let mount = disk(8) else { return }
        let store = try DiskStore(at: folder.path, limit: .gibibytes(1), reserve: .mebibytes(5))
        let objects = (0..<400).map { SampleObject(size: 50_000, seed: UInt64($0), compression: .none) }
        for object in objects { #expect(try await store.store(object).readAll() == object.plain) }
        _ = try store.files.evictor.makeRoom(for: .upkeep)
        var space = cplatform_space()
        cplatform_space_of(store.files.folder.descriptor, &space)
        #expect(space.available >= 5 << 20)
        #expect(store.statistics.evictedObjects > 0)
        withExtendedLifetime(mount) {}
    }

    @Test("a disk without files left is a full one")
    func noFilesLeft() async throws {
        guard let mount = TestMount(["-t", "tmpfs", "-o", "size=64m,nr_inodes=600", "none"], at: folder.path) else {
            return
        }
        let store = try DiskStore(at: folder.path, limit: .gibibytes(1), reserve: .zero)
        for seed in 0..<1500 as Range<UInt64> {
            let object = SampleObject(size: 100, seed: seed, compression: .none)
            #expect(try await store.store(object).readAll() == object.plain)
        }
        // Nor does it keep the cache from being opened.
        var others: [Int32] = []
        while case let file = openat(store.files.folder.descriptor, "other-\(others.count)", O_CREAT, 0o600), file >= 0
        {
            others.append(file)
        }
        for file in others { close(file) }
        #expect(!others.isEmpty)
        let again = try DiskStore(at: folder.path, limit: .gibibytes(1), reserve: .zero)
        for seed in 2000..<2020 as Range<UInt64> {
            let object = SampleObject(size: 100, seed: seed, compression: .none)
            #expect(try await again.store(object).readAll() == object.plain)
        }
        withExtendedLifetime(mount) {}
    }

    @Test("a cache cannot be made on a full disk, and says so")
    func cannotOpen() async throws {
        guard let mount = disk(1) else { return }
        try fill("others", leaving: 0)
        #expect(await refusal { _ = try DiskStore(at: folder.path.appending("cache")) } == .noSpace)
        withExtendedLifetime(mount) {}
    }
}

import CVMFSTesting
import FixtureTrees
import Foundation
import LocalServers
import SystemPackage
import Testing

@testable import CASCore

@Suite("Pins of a DiskStore")
struct PinTests {
    private let folder = TestFolder()

    private func samples(_ range: Range<UInt64>) -> [SampleObject] {
        range.map { SampleObject(size: 3000, seed: $0, compression: .none) }
    }

    /// Everything that may go goes.
    private func flush(_ store: DiskStore) throws {
        while try store.files.evictor.makeRoom(for: .fullDisk) {}
    }

    @Test("pinned objects stay, also those that came after the pin")
    func persistent() async throws {
        var store = try DiskStore(at: folder.path)
        let objects = samples(0..<300)
        for object in objects.prefix(200) { try await store.store(object) }
        let pinned = objects[100..<300].map(\.id)
        #expect(try await store.pin("an image:1.0/é", pinned) == objects.suffix(100).map(\.id))
        for object in objects.suffix(100) { try await store.store(object) }
        try flush(store)
        for (number, object) in objects.enumerated() { #expect(store.contains(object.id) == (number >= 100)) }
        // As after a restart of the system.
        let later = try CacheFolder(at: folder.path, isWritable: true, boot: BootID(first: 1, second: 2))
        store = try DiskStore(in: later, limit: .gibibytes(1))
        try flush(store)
        for object in objects.suffix(200) { #expect(try store.cached(object.id)?.readAll() == object.plain) }
        #expect(try store.pins() == [ObjectPin(name: "an image:1.0/é", lifetime: .persistent, objects: 200)])
        // A pin of the same name takes its place.
        #expect(try await store.pin("an image:1.0/é", objects.suffix(50).map(\.id)) == [])
        try flush(store)
        #expect(try store.usage().objects == 50)
        try await store.synchronize()
        #expect(try store.unpin("an image:1.0/é"))
        #expect(try !store.unpin("an image:1.0/é"))
        #expect(try store.pins() == [])
        try flush(store)
        #expect(try store.usage().objects == 0)
    }

    @Test("a lease ends with its owner's reference, or when it is ended")
    func lease() async throws {
        let store = try DiskStore(at: folder.path)
        let other = try DiskStore(at: folder.path)
        let objects = samples(0..<50)
        for object in objects { try await store.store(object) }
        var lease: ObjectLease? = try await store.lease(objects.map(\.id), for: "container 1")
        #expect(lease?.missing == [])
        #expect(try other.pins() == [ObjectPin(name: "container 1", lifetime: .lease, objects: 50)])
        try flush(other)
        #expect(try store.usage().objects == 50)
        lease = nil
        #expect(try other.pins() == [])
        try flush(other)
        #expect(try store.usage().objects == 0)
        let second = try await store.lease(objects.map(\.id), for: "container 2")
        #expect(second.missing == objects.map(\.id))
        second.end()
        second.end()
        #expect(try store.pins() == [])
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path.appending("pins").string) == [])
    }

    @Test("a lease is gone when its process is killed, and not before")
    func killedOwner() async throws {
        let store = try DiskStore(at: folder.path, limit: .mebibytes(64))
        let child = try ChildProgram("CacheFiller", "lease", folder.path.string, "\(64 << 20)", "1000", "40")
        #expect(try await child.line() == "leased, 0 missing")
        #expect(try store.pins() == [ObjectPin(name: "CacheFiller", lifetime: .lease, objects: 40)])
        try flush(store)
        #expect(try store.usage().objects == 40)
        await child.kill()
        #expect(try store.pins() == [])
        try flush(store)
        #expect(try store.usage().objects == 0)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path.appending("pins").string) == [])
    }

    @Test("many pins of many objects take no descriptors")
    func descriptors() async throws {
        let store = try DiskStore(at: folder.path)
        func open() throws -> Int { try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count }
        let objects = samples(0..<2000).map(\.id)
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let lease = try await store.lease(objects, for: "all")
        for number in 0..<20 { try await store.pin("\(number)", objects) }
        #expect(try store.pins().count == 21)
        #expect(lease.missing.count == 2000)
        // Other tests open files at the same time; two thousand more would be seen.
        #expect(try open() < 1500)
    }

    @Test("what a pin reports as present stays, whatever is evicted at the same time")
    func race() async throws {
        let store = try DiskStore(at: folder.path, reserve: .zero)
        let evicting = try DiskStore(at: folder.path, reserve: .zero)
        for round in 0..<20 {
            let objects = samples(0..<300)
            for object in objects { try await store.store(object) }
            async let eviction: Void = BlockingPool.shared.run { try flush(evicting) }
            let missing = try await store.pin("race", objects.map(\.id))
            try await eviction
            let present = Set(objects.map(\.id)).subtracting(missing)
            for id in present { #expect(store.contains(id), "round \(round)") }
            #expect(try store.usage().objects == present.count)
            try store.unpin("race")
        }
    }

    @Test("when more is pinned than the limit allows, other objects still have room")
    func moreThanLimit() async throws {
        let store = try DiskStore(at: folder.path, limit: .kibibytes(1600), reserve: .zero)
        let pinned = samples(0..<500)
        try await store.pin("all", pinned.map(\.id))
        for object in pinned { try await store.store(object) }
        for object in pinned { #expect(store.contains(object.id)) }
        // A sixteenth: 25 of one block.
        let others = samples(1000..<1300)
        var passes = 0
        for object in others {
            let before = store.statistics.evictedObjects
            try await store.store(object)
            #expect(store.contains(object.id))
            if store.statistics.evictedObjects != before { passes += 1 }
            #expect(try store.usage().size <= .kibibytes(4 * 526))
        }
        #expect(passes < 200, "every object that was stored pushed out another")
        for object in pinned { #expect(store.contains(object.id)) }
        #expect(try store.usage().objects > 510)
    }

    @Test("names of any characters are told apart; too long ones are refused")
    func names() async throws {
        let store = try DiskStore(at: folder.path)
        let names = [
            "a", "A", "a b", "a%20b", "a/b", "..", ".", "é", "日本", "a.b_c-d", String(repeating: "x", count: 200),
        ]
        for (count, name) in names.enumerated() {
            try await store.pin(name, samples(0..<UInt64(count)).map(\.id))
        }
        let pins = try store.pins()
        #expect(Set(pins.map(\.name)) == Set(names))
        for (count, name) in names.enumerated() { #expect(pins.first { $0.name == name }?.objects == count) }
        for name in ["", String(repeating: "x", count: 201), String(repeating: "é", count: 50)] {
            #expect(await refusal { try await store.pin(name, []) } == .system, "\(name)")
        }
        #expect(await refusal { _ = try await store.lease([], for: String(repeating: "x", count: 201)) } == .system)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder.path.string).sorted().first == "eviction.lock")
    }

    @Test("a damaged list of pins is found by verify, keeps nothing, and can be set again")
    func damaged() async throws {
        let store = try DiskStore(at: folder.path)
        let objects = samples(0..<10)
        for object in objects { try await store.store(object) }
        try await store.pin("a b", objects.map(\.id))
        let pins = folder.path.appending("pins")
        let file = try #require(try FileManager.default.contentsOfDirectory(atPath: pins.string).first)
        try Data([1, 2, 3]).write(to: URL(fileURLWithPath: pins.appending(file).string))
        #expect(try store.pins() == [])
        #expect(try await store.verify().damagedPins == ["a b"])
        try await store.pin("a b", objects.map(\.id))
        #expect(try await store.verify().damagedPins == [])
        try flush(store)
        #expect(try store.usage().objects == 10)
    }
}

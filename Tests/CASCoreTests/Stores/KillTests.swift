import CVMFSTesting
import FixtureTrees
import Foundation
import LocalServers
import SystemPackage
import Testing

@testable import CASCore

@Suite("Processes that share a cache, and are killed")
struct KillTests {
    private let folder = TestFolder()

    /// What must hold of a cache whatever happened to the processes that used it.
    private func check(_ store: DiskStore, limit: Int64, _ comment: Comment) async throws {
        let report = try await store.verify()
        #expect(report.damagedObjects.isEmpty, comment)
        #expect(report.damagedPins.isEmpty, comment)
        let found = try store.countedByHand()
        #expect(found.size.bytes <= limit, comment)
        let counted = try store.usage()
        // Too high by what was counted and not yet named, or named no more and not yet discounted; never too low.
        #expect(found.size <= counted.size && found.objects <= counted.objects, comment)
        let txn = try FileManager.default.contentsOfDirectory(atPath: store.path.appending("txn").string)
        #expect(txn.isEmpty, comment)
        for folder in ObjectFolder.all {
            for entry in try folder.entries(in: store.files.folder) {
                let handle = try #require(try store.cached(entry.id), comment)
                // The objects of the program are made from their content alone, so the name can be found again.
                let again = SampleObject(
                    plain: try handle.readAll(), algorithm: entry.id.hash.algorithm, compression: entry.id.compression)
                #expect(again.id == entry.id, comment)
            }
        }
    }

    /// Kills programs that fill one cache, each at a random moment.
    private func kill(times: Int, _ more: String..., opening: () throws -> DiskStore) async throws {
        let limit = 400 << 10
        var random = SeededGenerator(for: "kill")
        var drift: Int64 = 0
        for round in 0..<times {
            let child = try ChildProgram(
                "CacheFiller",
                arguments: ["fill", folder.path.string, "\(limit)", "\(Int.random(in: 0..<1000, using: &random))"]
                    + more)
            for _ in 0..<Int.random(in: 1..<100, using: &random) { #expect(try await child.line() != nil) }
            await child.kill()
            let store = try opening()
            try await check(store, limit: Int64(limit), "round \(round), seed \(random.seed)")
            drift = max(drift, try store.usage().objects - store.countedByHand().objects)
        }
        #expect(drift <= 8 * Int64(times))
        // The next eviction sets the counters right.
        let store = try opening()
        for number in ObjectFolder.all { _ = try number.scan(store.files.folder, correcting: store.files.usage) }
        #expect(try store.usage() == store.countedByHand())
    }

    private static let times = ProcessInfo.processInfo.environment["CVMFS_SOAK_KILLS"].flatMap { Int($0) } ?? 20

    @Test("killed at any moment, a process leaves a cache without a partial object")
    func killed() async throws {
        try await kill(times: Self.times) { try DiskStore(at: folder.path, limit: .kibibytes(400), reserve: .zero) }
    }

    @Test("killed at any moment, also on a poor file system")
    func killedWithoutAbilities() async throws {
        try await kill(times: Self.times / 4, "plain") {
            let cache = try CacheFolder(at: folder.path, isWritable: true, allowing: [])
            return try DiskStore(in: cache, limit: .kibibytes(400), reserve: .zero)
        }
    }

    @Test("what a living process is writing is not taken for abandoned")
    func livingWriter() async throws {
        let cache = try CacheFolder(at: folder.path, isWritable: true, allowing: [])
        let store = try DiskStore(in: cache, limit: .gibibytes(1))
        let object = SampleObject(size: 10_000, seed: 1)
        let path = folder.path
        let handle = try await store.object(object.id) { sink in
            try sink.restart(expectedLength: nil)
            try sink.write(object.stored.span.bytes)
            // Opening cleans up.
            _ = try DiskStore(at: path)
            try sink.finish()
        }
        #expect(try handle.readAll() == object.plain)
        #expect(store.contains(object.id))
    }

    @Test("several processes under pressure of eviction read nothing but the right bytes")
    func pressure() async throws {
        let limit = 300 << 10
        let store = try DiskStore(at: folder.path, limit: .bytes(Int64(limit)), reserve: .zero)
        let children = try (0..<3).map { number in
            try ChildProgram("CacheFiller", "stress", folder.path.string, "\(limit)", "\(number)", "100", "120")
        }
        var evicted = 0
        for child in children {
            var last = ""
            while let line = try await child.line() { last = line }
            #expect(await child.ended() == 0, "\(last)")
            evicted += Int(last) ?? 0
        }
        #expect(evicted > 100)
        try await check(store, limit: Int64(limit), "after the pressure")
    }
}

import CASCore
import CVMFSTesting
import Foundation
import SystemPackage

/// Measures a `DiskStore` beside the system calls that it cannot do without. Meant for a release build.
struct StoreTimes {
    private let path: FilePath
    private let clock = ContinuousClock()

    init(at path: FilePath) { self.path = path }

    func print() async throws {
        let store = try DiskStore(at: path, limit: .gibibytes(8))
        let small = (0..<4000).map { SampleObject(size: 4096, seed: UInt64($0), compression: .none) }
        // What the pool and the folders cost the first time is not an object's.
        for object in small.prefix(1000) { _ = try await store.object(object.id) { try object.send(to: $0) } }
        let fresh = small.dropFirst(1000)
        let commit = try await cost(fresh.count) {
            for object in fresh { _ = try await store.object(object.id) { try object.send(to: $0) } }
        }
        say("store one of 4 KiB       \(commit)")
        let parallel = (0..<4000).map { SampleObject(size: 4096, seed: UInt64($0 + 10_000), compression: .none) }
        let together = try await cost(parallel.count) {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for part in 0..<8 {
                    group.addTask {
                        for object in parallel[(part * 500)..<(part * 500 + 500)] {
                            _ = try await store.object(object.id) { try object.send(to: $0) }
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
        say("the same, eight at once  \(together)")
        let open = try await cost(40_000) {
            for _ in 0..<10 { for object in small { _ = try store.cached(object.id) } }
        }
        say("cached()                 \(open)")
        guard let handle = try store.cached(small[0].id) else { return }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 16)
        defer { buffer.deallocate() }
        for _ in 0..<2 {
            let read = try await cost(1_000_000) {
                for _ in 0..<1_000_000 { _ = try handle.read(into: buffer, at: 0) }
            }
            let bare = try await cost(1_000_000) {
                try handle.withDescriptor { file in
                    for _ in 0..<1_000_000 { _ = try file.read(fromAbsoluteOffset: 0, into: buffer) }
                }
            }
            say("read 4 KiB               \(read)")
            say("pread of the same        \(bare)")
        }
        let large = (0..<8).map { SampleObject(size: 8 << 20, seed: UInt64($0), compression: .none) }
        let write = try await cost(large.count) {
            for object in large {
                _ = try await store.object(object.id) { try object.send(to: $0, pieceSize: 1 << 18) }
            }
        }
        say(
            "store one of 8 MiB       \(write), \(Int(Double(8 << 20) / (write.user + write.system))) MB/s of the processor"
        )
        let opening = try await cost(100) { for _ in 0..<100 { _ = try DiskStore(at: path) } }
        say("open the store           \(opening)")
    }

    /// What one of `count` costs: time, and the processor's time of the whole process, in the program and in the kernel.
    private struct Cost: CustomStringConvertible {
        var microseconds: Double
        var user: Double
        var system: Double

        var description: String {
            String(format: "%9.2f us, of the processor %8.2f + %8.2f", microseconds, user, system)
        }
    }

    private func cost(_ count: Int, _ body: () async throws -> Void) async throws -> Cost {
        let (start, before) = (clock.now, usage())
        try await body()
        let (elapsed, after) = ((clock.now - start).components, usage())
        let microseconds = Double(elapsed.seconds) * 1e6 + Double(elapsed.attoseconds) / 1e12
        return Cost(
            microseconds: microseconds / Double(count), user: (after.user - before.user) / Double(count),
            system: (after.system - before.system) / Double(count))
    }

    private func usage() -> (user: Double, system: Double) {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        func microseconds(_ time: timeval) -> Double { Double(time.tv_sec) * 1e6 + Double(time.tv_usec) }
        return (microseconds(usage.ru_utime), microseconds(usage.ru_stime))
    }
}

// A program of the tests: uses a cache until it is killed, or for some rounds. Its only input is the command line.
//
//     CacheFiller fill   FOLDER LIMIT SEED [plain]        stores objects without end, a line for each
//     CacheFiller stress FOLDER LIMIT SEED ROUNDS KEYS    gets objects at random and compares every byte
//     CacheFiller lease  FOLDER LIMIT SEED COUNT          stores objects, leases them, says so and waits
//     CacheFiller time   FOLDER                           measures a store, see StoreTimes

import CASCore
import CVMFSTesting
import Foundation
import SystemPackage

let arguments = CommandLine.arguments
func number(_ position: Int) -> Int { Int(arguments[position]) ?? 0 }

/// An object of the tests' world: of every compression and algorithm, mostly small.
func sample(_ number: Int) -> SampleObject {
    let seed = UInt64(number)
    let sizes = [0, 100, 4096, 5000, 12_000, 30_000, 3, 60_000]
    return SampleObject(
        size: sizes[number % 8] + number % 97, seed: seed, algorithm: HashAlgorithm.allCases[number % 3],
        compression: number % 2 == 0 ? .none : .zlib)
}

func say(_ text: String) {
    // One call to the system for a line, so that it is whole when the program is killed.
    _ = try? FileDescriptor.standardOutput.writeAll((text + "\n").utf8)
}

func fill() async throws {
    // Without what only some file systems can do.
    let abilities: CacheFolder.Abilities = arguments.count > 5 ? [] : .all
    let folder = try CacheFolder(at: FilePath(arguments[2]), isWritable: true, allowing: abilities)
    let store = try DiskStore(in: folder, limit: .bytes(Int64(number(3))))
    let seed = number(4)
    try await withThrowingTaskGroup(of: Void.self) { group in
        for worker in 0..<4 {
            group.addTask {
                var count = seed &* 1_000_003 + worker
                while true {
                    count = (count + 4) & 0xFFFF_FFFF
                    let object = sample(count)
                    let handle = try await store.object(object.id) { sink in
                        try object.send(to: sink, pieceSize: 3000)
                    }
                    if count % 16 < 4 { try store.remove(object.id) }
                    say("\(handle.size)")
                }
            }
        }
        try await group.waitForAll()
    }
}

func stress() async throws {
    let store = try DiskStore(at: FilePath(arguments[2]), limit: .bytes(Int64(number(3))))
    let (rounds, keys) = (number(5), number(6))
    try await withThrowingTaskGroup(of: Void.self) { group in
        for worker in 0..<4 {
            group.addTask {
                var random = SplitMix(state: UInt64(number(4)) &* 4 &+ UInt64(worker))
                for _ in 0..<rounds {
                    let object = sample(Int.random(in: 0..<keys, using: &random))
                    let handle = try await store.object(
                        object.id, size: .exactly(Int64(object.plain.count))
                    ) { try object.send(to: $0) }
                    var bytes = [UInt8](repeating: 0xEE, count: object.plain.count)
                    let count = try bytes.withUnsafeMutableBytes { try handle.read(into: $0, at: 0) }
                    guard count == bytes.count, bytes == object.plain else {
                        say("wrong bytes in \(object.id)")
                        exit(3)
                    }
                }
            }
        }
        try await group.waitForAll()
    }
    say("\(store.statistics.evictedObjects)")
}

func lease() async throws {
    let store = try DiskStore(at: FilePath(arguments[2]), limit: .bytes(Int64(number(3))))
    var ids: [ObjectID] = []
    for count in 0..<number(5) {
        let object = sample(number(4) + count)
        _ = try await store.object(object.id) { try object.send(to: $0) }
        ids.append(object.id)
    }
    let lease = try await store.lease(ids, for: "CacheFiller")
    say("leased, \(lease.missing.count) missing")
    // Until the other end is closed, or this process is killed.
    var byte: [UInt8] = [0]
    _ = try byte.withUnsafeMutableBytes { try FileDescriptor.standardInput.read(into: $0) }
    lease.end()
}

struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
        return word ^ word >> 31
    }
}

do {
    switch arguments.dropFirst().first {
    case "fill" where arguments.count >= 5: try await fill()
    case "stress" where arguments.count == 7: try await stress()
    case "lease" where arguments.count == 6: try await lease()
    case "time" where arguments.count == 3: try await StoreTimes(at: FilePath(arguments[2])).print()
    default:
        say("usage: see main.swift")
        exit(64)
    }
} catch {
    say("failed: \(error)")
    exit(1)
}

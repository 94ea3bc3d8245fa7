import CASCore
import FixtureTrees
import Foundation
import LocalServers
import Testing

@testable import Publishing

@Suite("Storing content when something fails")
struct StorageFailureTests {
    /// Every object that is there is whole; gives their number.
    private func checkObjects(in storage: LocalStorage, _ comment: Comment) throws -> Int {
        var count = 0
        for number in UInt8.min ... .max {
            for file in try storage.objects(inFolder: number) {
                let stored = try #require(try storage.stored(file.object, limit: 64 << 20))
                let hash = ContentHash(hashing: stored, with: file.object.hash.algorithm)
                #expect(hash == file.object.hash, comment)
                count += 1
            }
        }
        return count
    }

    private static let kills = ProcessInfo.processInfo.environment["CVMFS_SOAK_KILLS"].flatMap { Int($0) } ?? 8

    @Test("a process that is killed while it stores leaves whole objects only, and the next one goes on")
    func killed() async throws {
        let folder = try TemporaryFolder("kill")
        let path = "\(folder.path)/storage"
        let storage = try LocalStorage(at: path, creates: true)
        var random = SeededGenerator(for: "a process that is killed while it stores")
        for round in 0..<Self.kills {
            let child = try ChildProgram(
                "ContentStorer", "fill", path, "\(Int.random(in: 0..<1000, using: &random))")
            var acknowledged: [String] = []
            for _ in 0..<Int.random(in: 1..<80, using: &random) {
                acknowledged.append(try #require(try await child.line()))
            }
            await child.kill()
            let comment: Comment = "round \(round), seed \(random.seed)"
            #expect(try checkObjects(in: storage, comment) > 0, comment)
            for name in acknowledged.flatMap({ $0.split(separator: " ") }) {
                let (folder, rest) = (name.prefix(2), name.dropFirst(2))
                #expect(readFile("\(path)/data/\(folder)/\(rest)") != nil, comment)
            }
            try storage.removeAbandoned()
            #expect(try storage.filesInScratch() == [])
            // What the index says is true, whatever it was doing.
            var options = ContentOptions()
            options.chunkSizes = try ContentPipelineTests.smallChunks
            let pipeline = try ContentPipeline(storage: storage, options: options)
            for number in 0..<10 {
                var seeded = SeededGenerator(seed: UInt64(number))
                let content = seeded.text(3000 * number)
                let stored = try await pipeline.store(BytesSource(content))
                #expect(try ContentPipelineTests.content(of: stored, in: storage) == content, comment)
            }
            try await pipeline.finish()
        }
    }

    @Test("a full disk is a clear error, and what is there stays whole")
    func fullDisk() async throws {
        let folder = try TemporaryFolder("full")
        let path = "\(folder.path)/storage"
        mkdir(path, 0o755)
        guard (try? runToEnd("/bin/mount", ["-t", "tmpfs", "-o", "size=4m", "none", path], log: "/dev/null")) != nil
        else {
            print("not tested: mounting a small disk needs root and a system that allows it")
            return
        }
        defer { try? runToEnd("/bin/umount", ["-l", path], log: "/dev/null") }
        let storage = try LocalStorage(at: path, creates: true)
        try storage.replace(".cvmfspublished", with: [1])
        var options = ContentOptions()
        options.compression = .none
        for chunkSizes in [try ContentPipelineTests.smallChunks, nil] {
            options.chunkSizes = chunkSizes
            let pipeline = try ContentPipeline(storage: storage, options: options)
            var random = SeededGenerator(for: "a full disk")
            do {
                _ = try await pipeline.store(BytesSource(random.noise(18 << 20)))
                Issue.record("18 MiB were stored on a disk of 4")
            } catch let error as PublishingError {
                #expect(error.code == .storage)
                #expect(error.description.contains("disk is full") || error.description.contains("No space"))
            }
            try await pipeline.finish()
            _ = try checkObjects(in: storage, "full")
            #expect(try storage.filesInScratch() == [])
        }
        #expect(try storage.read(".cvmfspublished", limit: 1) == [1])
        #expect(throws: PublishingError.self) {
            try storage.replace(".cvmfspublished", with: .init(repeating: 2, count: 9 << 20))
        }
        #expect(try storage.read(".cvmfspublished", limit: 1) == [1])
    }

    private static let largeMebibytes =
        ProcessInfo.processInfo.environment["CVMFS_SOAK_MEBIBYTES"].flatMap { Int($0) } ?? 192

    @Test("memory does not depend on the size of the content")
    func memory() async throws {
        let folder = try TemporaryFolder("large")
        let child = try ChildProgram("ContentStorer", "large", folder.path, "\(Self.largeMebibytes)")
        let stored = try await child.line()
        #expect(stored?.hasPrefix("\(Self.largeMebibytes << 20) bytes in ") == true, "\(stored ?? "")")
        let peak = try #require(Int(try await child.line() ?? ""))
        #expect(await child.ended() == 0)
        // The pipeline's bound, and what a process of this kind has anyway.
        #expect(peak < 256 << 10, "\(peak) KiB")
        print("peak of memory: \(peak) KiB")
    }
}

import CASCore
import CVMFS
import FixtureTrees
import Foundation
import Glibc
import LocalServers
import Testing

@testable import Publishing

@Suite("The pipeline of content")
struct ContentPipelineTests {
    /// What the stored objects unpack to.
    static func content(of stored: StoredContent, in storage: LocalStorage) throws -> [UInt8] {
        var content: [UInt8] = []
        for object in stored.objects {
            let bytes = try #require(try storage.stored(object, limit: 64 << 20))
            content += try object.unpack(bytes, size: .atMost(64 << 20))
        }
        return content
    }

    static var smallChunks: ChunkSizes {
        get throws { try ChunkSizes(minimum: 10_000, average: 20_000, maximum: 40_000) }
    }

    @Test(
        "content of every size is stored, whole or in chunks, and comes back",
        arguments: [Compression.zlib, .none], DeflaterKind.allCases.filter(\.isAvailable))
    func roundTrip(compression: Compression, deflater: DeflaterKind) async throws {
        let folder = try TemporaryFolder("pipeline")
        let storage = try LocalStorage(at: folder.path, creates: true)
        var options = ContentOptions()
        options.compression = compression
        options.deflater = deflater
        options.chunkSizes = try Self.smallChunks
        let pipeline = try ContentPipeline(storage: storage, options: options)
        var random = SeededGenerator(for: "content of every size is stored")
        for size in [0, 1, 9_999, 10_000, 10_001, 40_000, 40_001, 300_000, 1_000_000] {
            let content = size % 2 == 0 ? random.text(size) : random.noise(size)
            let stored = try await pipeline.store(BytesSource(content))
            #expect(stored.size == Int64(size))
            #expect(stored.whole == nil || stored.chunks.isEmpty)
            #expect(size > 10_000 || stored.whole != nil)
            #expect(size <= 40_000 || stored.chunks.count >= size / 40_000)
            #expect(stored.chunks.map(\.size).reduce(0, +) == (stored.chunks.isEmpty ? 0 : Int64(size)))
            let back = try Self.content(of: stored, in: storage)
            #expect(back == content)
        }
        try await pipeline.finish()
    }

    @Test("files of the reference's repositories become the same objects", arguments: Fixtures.all)
    func sameObjects(fixture: FixtureRepository) async throws {
        let folder = try TemporaryFolder("pipeline")
        let repository = try await Repository.open(
            fixture.name, from: ["file://" + fixture.folder.path],
            trusting: .masterKeys(in: FilePath(fixture.keyFile.path)),
            cache: DiskStore(at: FilePath("\(folder.path)/cache")))
        let snapshot = try await repository.snapshot(.newest)
        let storage = try LocalStorage(at: "\(folder.path)/storage", creates: true)
        var options = ContentOptions()
        options.algorithm = fixture.hashAlgorithm
        options.compression = fixture.fileCompression
        let pipeline = try ContentPipeline(storage: storage, options: options)
        let reference = try LocalStorage(at: fixture.folder.path)
        var (files, chunked) = (0, 0)
        for try await entry in snapshot.walk("/") where entry.kind == .file && entry.size < 64 << 20 {
            // Some are packed otherwise than most: the files that the server's tools put there.
            guard entry.attributes.compression == options.compression else { continue }
            // The larger repositories are looked at in part: every chunked file, and some of the others.
            files += 1
            guard entry.isChunked || files < 400 else { continue }
            let content = try await snapshot.file(entry).readAll()
            let stored = try await pipeline.store(BytesSource(content))
            let chunks = try await snapshot.chunks(of: entry)
            #expect(stored.chunks == chunks, "\(entry.path)")
            if chunks.isEmpty { #expect(stored.whole == entry.attributes.contentHash, "\(entry.path)") }
            if !chunks.isEmpty { chunked += 1 }
            for object in stored.objects {
                let made = try storage.stored(object, limit: 64 << 20)
                let theirs = try reference.stored(object, limit: 64 << 20)
                #expect(made == theirs && made != nil, "\(entry.path)")
            }
        }
        #expect(files > 0)
        print("\(fixture.name): \(files) files, \(chunked) in chunks")
    }

    @Test("content of unknown size is stored as if its size were known")
    func unknownSize() async throws {
        let folder = try TemporaryFolder("pipeline")
        let storage = try LocalStorage(at: folder.path, creates: true)
        var options = ContentOptions()
        options.chunkSizes = try Self.smallChunks
        var random = SeededGenerator(for: "content of unknown size is stored")
        let pipeline = try ContentPipeline(storage: storage, options: options)
        for size in [0, 5000, 10_000, 200_000] {
            let content = random.text(size)
            let known = try await pipeline.store(BytesSource(content))
            let unknown = try await pipeline.store(TrickleSource(content, expects: nil))
            #expect(known == unknown)
        }
    }

    @Test("content that is not cut is streamed when it is large", arguments: [nil, Int64(20 << 20)])
    func streamed(expects: Int64?) async throws {
        let folder = try TemporaryFolder("pipeline")
        let storage = try LocalStorage(at: folder.path, creates: true)
        var options = ContentOptions()
        options.chunkSizes = nil
        let pipeline = try ContentPipeline(storage: storage, options: options)
        let content = [UInt8](repeating: 65, count: 20 << 20)
        let stored = try await pipeline.store(TrickleSource(content, piece: 1 << 18, expects: expects))
        let packed = try content.withUnsafeBytes { bytes throws(CASError) in
            try WholeDeflater.deflate(bytes, with: .zlib)
        }
        #expect(stored.whole == ContentHash(hashing: packed, with: .sha1))
        #expect(try Self.content(of: stored, in: storage) == content)
        let left = try storage.filesInScratch()
        #expect(left == [])
    }

    @Test("catalogs and the like are one zlib object whatever the options are")
    func objects() async throws {
        let folder = try TemporaryFolder("pipeline")
        let storage = try LocalStorage(at: folder.path, creates: true)
        var options = ContentOptions()
        options.compression = .none
        options.chunkSizes = try Self.smallChunks
        let pipeline = try ContentPipeline(storage: storage, options: options)
        for size in [100_000, 17 << 20] {
            let content = [UInt8](repeating: 66, count: size)
            let source = try FileSource(at: folder.write(content, to: "catalog"))
            let stored = try await pipeline.storeObject(source, kind: .catalog)
            #expect(stored.size == Int64(size))
            #expect(stored.object.kind == .catalog)
            try storage.unpack(stored.object, to: "\(folder.path)/back")
            #expect(readFile("\(folder.path)/back") == content)
        }
    }

    @Test("content of another size than was said is refused", arguments: [0, 99, 101, 20_000, 39_000, 50_000])
    func changedSize(size: Int) async throws {
        let folder = try TemporaryFolder("pipeline")
        let storage = try LocalStorage(at: folder.path, creates: true)
        var options = ContentOptions()
        for chunkSizes in [try Self.smallChunks, nil] {
            options.chunkSizes = chunkSizes
            let pipeline = try ContentPipeline(storage: storage, options: options)
            for expected in [100, 38_000] as [Int64] {
                do {
                    _ = try await pipeline.store(TrickleSource([UInt8](repeating: 7, count: size), expects: expected))
                    Issue.record("\(size) bytes instead of \(expected) were taken")
                } catch let error as PublishingError {
                    #expect(error.code == .changed)
                }
            }
            try await pipeline.finish()
        }
    }

    @Test("a source that fails ends with its error, and nothing is left in work")
    func failingSource() async throws {
        let folder = try TemporaryFolder("pipeline")
        let storage = try LocalStorage(at: folder.path, creates: true)
        var options = ContentOptions()
        options.chunkSizes = try Self.smallChunks
        let pipeline = try ContentPipeline(storage: storage, options: options)
        for fails in [0, 20_000, 100_000] {
            let source = TrickleSource([UInt8](repeating: 9, count: 200_000), expects: 200_000, failsAt: fails)
            await #expect(throws: PublishingError.self) { try await pipeline.store(source) }
        }
        try await pipeline.finish()
        #expect(try storage.filesInScratch() == [])
    }

    @Test("many tasks may store at once")
    func concurrently() async throws {
        let folder = try TemporaryFolder("pipeline")
        let storage = try LocalStorage(at: folder.path, creates: true)
        var options = ContentOptions()
        options.chunkSizes = try Self.smallChunks
        options.threads = 3
        let pipeline = try ContentPipeline(storage: storage, options: options)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0..<8 {
                group.addTask {
                    var random = SeededGenerator(seed: UInt64(task % 4))
                    for _ in 0..<6 {
                        let content = random.text(Int.random(in: 0...60_000, using: &random))
                        let stored = try await pipeline.store(BytesSource(content))
                        let back = try Self.content(of: stored, in: storage)
                        #expect(back == content)
                    }
                }
            }
            try await group.waitForAll()
        }
        try await pipeline.finish()
    }
}

extension LocalStorage {
    /// The names of the files in the scratch folder.
    func filesInScratch() throws -> [String] {
        guard let folder = opendir("\(path)/data/txn") else { return [] }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }
}

import CASCore
import CPlatform
import FixtureTrees
import Glibc
import LocalServers
import Testing

@testable import Publishing

@Suite("The publisher's indexes")
struct IndexTests {
    private func options() throws -> ContentOptions {
        var options = ContentOptions()
        options.chunkSizes = try ContentPipelineTests.smallChunks
        return options
    }

    private func contents(_ random: inout SeededGenerator) -> [[UInt8]] {
        [0, 10, 5000, 9000, 30_000, 90_000, 200_000].map { random.text($0) }
    }

    private func storeAll(_ contents: [[UInt8]], in storage: LocalStorage) async throws -> [StoredContent] {
        let pipeline = try ContentPipeline(storage: storage, options: options())
        var stored: [StoredContent] = []
        for content in contents { stored.append(try await pipeline.store(BytesSource(content))) }
        try await pipeline.finish()
        return stored
    }

    private func packedBytes(of contents: [[UInt8]], in storage: LocalStorage) async throws -> Int64 {
        let pipeline = try ContentPipeline(storage: storage, options: options())
        for content in contents { _ = try await pipeline.store(BytesSource(content)) }
        try await pipeline.finish()
        return pipeline.statistics.packedBytes
    }

    @Test("content that is stored already is not packed again, by this pipeline nor by the next")
    func known() async throws {
        let folder = try TemporaryFolder("index")
        let storage = try LocalStorage(at: folder.path, creates: true)
        var random = SeededGenerator(for: "content that is stored already")
        let contents = contents(&random)
        let pipeline = try ContentPipeline(storage: storage, options: options())
        for content in contents { _ = try await pipeline.store(BytesSource(content)) }
        let once = pipeline.statistics
        #expect(once.packedBytes == Int64(contents.map(\.count).reduce(0, +)))
        for content in contents { _ = try await pipeline.store(BytesSource(content)) }
        #expect(pipeline.statistics.packedBytes == once.packedBytes)
        #expect(pipeline.statistics.knownContents == once.contents)
        try await pipeline.finish()
        // The next one has no place for its indexes as long as this one lives, and gets the same results.
        #expect(try await packedBytes(of: contents, in: storage) == once.packedBytes)
        withExtendedLifetime(pipeline) {}
    }

    @Test("the next pipeline knows what this one has stored")
    func knownLater() async throws {
        let folder = try TemporaryFolder("index")
        let storage = try LocalStorage(at: folder.path, creates: true)
        var random = SeededGenerator(for: "the next pipeline knows")
        let contents = contents(&random)
        let first = try await storeAll(contents, in: storage)
        #expect(try await packedBytes(of: contents, in: storage) == 0)
        #expect(try await storeAll(contents, in: storage) == first)
    }

    @Test("an index that lies, is damaged, or belongs to another repository changes nothing")
    func worthless() async throws {
        let folder = try TemporaryFolder("index")
        let storage = try LocalStorage(at: "\(folder.path)/a", creates: true)
        var random = SeededGenerator(for: "an index that lies")
        let contents = contents(&random)
        let expected = try await storeAll(contents, in: storage)
        let index = try #require(readFile("\(folder.path)/a/.cvmfs-state/ingest.index"))
        // Of another repository: none of its objects are there.
        let other = try LocalStorage(at: "\(folder.path)/b", creates: true)
        try writeFile(index, to: "\(folder.path)/b/.cvmfs-state/ingest.index")
        #expect(try await storeAll(contents, in: other) == expected)
        for stored in expected { for object in stored.objects { #expect(try other.contains(object)) } }
        // Damaged, in every way.
        for round in 0..<40 {
            var damaged = index
            switch round {
            case 0: damaged = []
            case 1: damaged = Array("no database".utf8)
            case 2: damaged.removeLast(damaged.count / 2)
            case 3: damaged = random.noise(damaged.count)
            default:
                for _ in 0..<(1 << (round % 8)) {
                    damaged[Int.random(in: 0..<damaged.count, using: &random)] = UInt8.random(
                        in: 0...255, using: &random)
                }
            }
            try writeFile(damaged, to: "\(folder.path)/a/.cvmfs-state/ingest.index")
            #expect(try await storeAll(contents, in: storage) == expected)
        }
        // An object is gone: it is stored again.
        for stored in expected { for object in stored.objects { #expect(try storage.remove(object)) } }
        #expect(try await storeAll(contents, in: storage) == expected)
        for stored in expected { for object in stored.objects { #expect(try storage.contains(object)) } }
    }

    @Test("a folder that cannot be written is done without")
    func noFolder() async throws {
        let folder = try TemporaryFolder("index")
        let storage = try LocalStorage(at: folder.path, creates: true)
        let pipeline = try ContentPipeline(
            uploader: storage, options: options(), scratchFolder: "\(folder.path)/data/txn",
            stateFolder: "\(folder.path)/absent")
        for _ in 0..<2 { _ = try await pipeline.store(BytesSource([1, 2, 3])) }
        #expect(pipeline.statistics.knownContents == 1)
    }

    @Test("equal content that comes at the same time is packed once")
    func oneFlight() async throws {
        let folder = try TemporaryFolder("index")
        let storage = try LocalStorage(at: folder.path, creates: true)
        var options = try options()
        options.threads = 4
        let pipeline = try ContentPipeline(storage: storage, options: options)
        var random = SeededGenerator(for: "equal content that comes at the same time")
        let content = random.text(150_000)
        let pending = try await withThrowingTaskGroup(of: PendingContent.self) { group in
            for _ in 0..<12 { group.addTask { try await pipeline.submit(BytesSource(content)) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        var results: Set<StoredContent> = []
        for content in pending { results.insert(try await content.value()) }
        #expect(results.count == 1)
        #expect(pipeline.statistics.packedBytes == 150_000)
    }

    @Test("an object keeps its name when another deflater would pack it otherwise")
    func otherDeflater() async throws {
        guard DeflaterKind.libdeflate.isAvailable else { return }
        let folder = try TemporaryFolder("index")
        let storage = try LocalStorage(at: folder.path, creates: true)
        var random = SeededGenerator(for: "an object keeps its name")
        let content = random.text(9000)
        var hashes: [ContentHash?] = []
        for deflater in [DeflaterKind.zlib, .libdeflate] {
            var options = try options()
            options.deflater = deflater
            let pipeline = try ContentPipeline(storage: storage, options: options)
            hashes.append(try await pipeline.store(BytesSource(content)).whole)
            try await pipeline.finish()
        }
        #expect(hashes[0] == hashes[1])
    }

    @Test("candidates are given by size, the newest revision's first, until they are dropped")
    func candidates() throws {
        let index = IngestIndex(nil, algorithm: .sha1, compression: .zlib)
        #expect(!index.hasCandidates && !index.knowsWhatIsStored)
        func object(_ number: UInt8, _ kind: ObjectKind) -> ObjectID {
            ObjectID(ContentHash(hashing: [number].span.bytes, with: .sha1), kind: kind)
        }
        let objects = [object(1, .chunk), object(2, .file), object(3, .file)]
        index.add(objects[1], size: 7, .tagged)
        index.add(objects[0], size: 7, .tagged)
        index.add(objects[0], size: 7, .newest)
        index.add(objects[2], size: 8, .newest)
        index.markKnowing()
        #expect(index.hasCandidates && index.knowsWhatIsStored)
        func candidate(_ size: Int64) -> ObjectID? {
            index.candidate(ofSize: size, algorithm: .sha1, compression: .zlib)
        }
        #expect(candidate(7) == objects[0] && candidate(7)?.kind == .chunk)
        index.drop(objects[0], size: 7)
        #expect(candidate(7) == objects[1] && candidate(7)?.kind == .file)
        index.drop(objects[1], size: 7)
        #expect(candidate(7) == nil && candidate(9) == nil && candidate(8) == objects[2])
        index.drop(objects[2], size: 8)
        #expect(!index.hasCandidates && index.knowsWhatIsStored)
    }

    // MARK: Files

    /// A file that was left alone for a day.
    private func settledFile(_ content: [UInt8], _ path: String) throws {
        try writeFile(content, to: path)
        var times = [timespec(), timespec()]
        for index in 0..<2 { times[index].tv_sec = time(nil) - 86_400 }
        #expect(utimensat(AT_FDCWD, path, times, 0) == 0)
    }

    /// The index with a file whose times of change are old too, which no file of a test can be.
    @Test("a file is recognised by all its numbers, and by its objects being there")
    func filesIndex() async throws {
        let folder = try TemporaryFolder("index")
        let storage = try LocalStorage(at: folder.path, creates: true)
        var random = SeededGenerator(for: "a file is recognised")
        for size in [0, 1000, 150_000] {
            let content = random.text(size)
            let file = FileIdentity(
                device: 7, inode: .max - UInt64(size), size: Int64(size), modified: -5,
                changed: 1_700_000_000_000_000_000)
            let pipeline = try ContentPipeline(storage: storage, options: options())
            #expect(try await pipeline.known(file) == nil)
            let stored = try await pipeline.store(SettledSource(content, file))
            #expect(stored.chunks.isEmpty == (size < 10_000))
            #expect(try await pipeline.known(file) == stored)
            let others = [
                FileIdentity(device: 8, inode: file.inode, size: file.size, modified: -5, changed: file.changed),
                FileIdentity(device: 7, inode: 1, size: file.size, modified: -5, changed: file.changed),
                FileIdentity(device: 7, inode: file.inode, size: file.size + 1, modified: -5, changed: file.changed),
                FileIdentity(device: 7, inode: file.inode, size: file.size, modified: -4, changed: file.changed),
                FileIdentity(device: 7, inode: file.inode, size: file.size, modified: -5, changed: file.changed + 1),
            ]
            for other in others { #expect(try await pipeline.known(other) == nil) }
            try await pipeline.finish()
            var cut = try options()
            cut.chunkSizes = nil
            let whole = try ContentPipeline(
                uploader: storage, options: cut, scratchFolder: folder.path, stateFolder: nil)
            #expect(try await whole.known(file) == nil)
            let last = try #require(stored.objects.last)
            #expect(try storage.remove(last))
            #expect(try await pipeline.known(file) == nil)
        }
    }

    @Test("options that name objects otherwise do not share what is known of files")
    func filesOfOtherOptions() async throws {
        let folder = try TemporaryFolder("index")
        let storage = try LocalStorage(at: folder.path, creates: true)
        let file = FileIdentity(device: 1, inode: 2, size: 3, modified: 4, changed: 5)
        var known: [Bool] = []
        for (algorithm, compression) in [(HashAlgorithm.sha1, Compression.zlib), (.shake128, .zlib), (.sha1, .none)] {
            var options = try options()
            (options.algorithm, options.compression) = (algorithm, compression)
            let pipeline = try ContentPipeline(storage: storage, options: options)
            known.append(try await pipeline.known(file) != nil)
            _ = try await pipeline.store(SettledSource([1, 2, 3], file))
            try await pipeline.finish()
        }
        #expect(known == [false, false, false])
    }

    @Test("a file that was changed just now is not recognised, one at rest is")
    func settling() async throws {
        let folder = try TemporaryFolder("index")
        try settledFile([1, 2, 3], "\(folder.path)/file")
        // Its time of change is now, whatever its time of modification is.
        let source = try FileSource(at: "\(folder.path)/file")
        #expect(try source.finish() == nil)
        let system = try #require(realpath("/bin/sh", nil))
        defer { free(system) }
        let shell = try FileSource(at: String(cString: system))
        #expect(try shell.finish() == shell.identity)
    }

    @Test("a damaged index of files changes nothing")
    func damagedFilesIndex() async throws {
        let folder = try TemporaryFolder("index")
        let storage = try LocalStorage(at: folder.path, creates: true)
        var random = SeededGenerator(for: "a damaged index of files")
        let files = (1...60).map { number in
            let content = random.text(number * 400)
            return (
                content,
                FileIdentity(device: 1, inode: UInt64(number), size: Int64(content.count), modified: 4, changed: 5)
            )
        }
        func storeAll() async throws -> [StoredContent] {
            let pipeline = try ContentPipeline(storage: storage, options: options())
            var stored: [StoredContent] = []
            for (content, file) in files {
                if let known = try await pipeline.known(file) {
                    stored.append(known)
                } else {
                    stored.append(try await pipeline.store(SettledSource(content, file)))
                }
            }
            try await pipeline.finish()
            return stored
        }
        let expected = try await storeAll()
        let path = "\(folder.path)/.cvmfs-state/files.index"
        let index = try #require(readFile(path))
        for round in 0..<40 {
            var damaged = index
            for _ in 0..<(1 << (round % 10)) {
                damaged[Int.random(in: 0..<damaged.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            try writeFile(damaged, to: path)
            #expect(try await storeAll() == expected)
        }
    }
}

/// Content of a file that has been at rest for long.
private final class SettledSource: ContentSource {
    private let bytes: BytesSource
    private let file: FileIdentity

    init(_ bytes: [UInt8], _ file: FileIdentity) {
        self.bytes = BytesSource(bytes)
        self.file = file
    }

    var label: String { "a file at rest" }
    var expectedSize: Int64? { bytes.expectedSize }
    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int { bytes.read(into: buffer) }
    func finish() -> FileIdentity? { file }
}

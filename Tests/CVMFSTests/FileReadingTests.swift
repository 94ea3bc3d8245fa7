import CVMFS
import FixtureTrees
import Testing

@Suite("Reading files")
struct FileReadingTests {
    @Test("reads at random offsets give the same bytes as reading the whole", arguments: ["tiny", "tinyplain"])
    func random(name: String) async throws {
        var random = SeededGenerator(for: "random reads of \(name)")
        let fixture = Fixtures.named(name)
        let opened = try await OpenedFixture(fixture)
        let snapshot = try await opened.repository.snapshot()
        let largest = try #require(try fixture.entries().max { ($0.size ?? 0) < ($1.size ?? 0) })
        let file = try await snapshot.file(largest.path)
        let whole = try await snapshot.file(largest.path).readAll()
        for _ in 0..<200 {
            let offset = Int.random(in: 0...(whole.count + 10), using: &random)
            let count = Int.random(in: 0...300_000, using: &random)
            let read = try await file.read(count, at: Int64(offset))
            let end = min(whole.count, offset + count)
            #expect(read == (offset < end ? Array(whole[offset..<end]) : []))
        }
    }

    @Test("what is local is read without waiting, and what is not says so")
    func cached() async throws {
        let opened = try await OpenedFixture(Fixtures.named("tiny"))
        let file = try await opened.repository.snapshot().file("/large1.bin")
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 100, alignment: 1)
        defer { buffer.deallocate() }
        #expect(file.availability == .metadataOnly)
        #expect(try file.readCached(into: buffer, at: 0) == nil)
        _ = try await file.read(1, at: 0)
        #expect(file.availability != .metadataOnly)
        #expect(try file.readCached(into: buffer, at: 0) == 100)
        #expect(try file.readCached(into: buffer, at: file.size) == 0)
        try await file.load()
        #expect(file.availability == .complete)
    }

    @Test("only the chunks that a read touches are fetched")
    func lazily() async throws {
        let opened = try await OpenedFixture(Fixtures.named("tiny"))
        let snapshot = try await opened.repository.snapshot()
        let entry = try await snapshot.entry(at: "/large1.bin")
        let chunks = try await snapshot.chunks(of: entry)
        try #require(chunks.count > 1)
        let before = opened.repository.totals.objects
        _ = try await snapshot.file(entry).read(10, at: chunks[1].offset)
        #expect(opened.repository.totals.objects == before + 1)
        #expect(opened.cache.contains(chunks[1].object))
    }

    @Test("content comes piece by piece, and the pieces make the whole")
    func pieces() async throws {
        let opened = try await OpenedFixture(Fixtures.named("tiny"))
        let file = try await opened.repository.snapshot().file("/large0.bin")
        var joined: [UInt8] = []
        for try await piece in file.contents(pieceSize: 100_000) { joined += piece }
        #expect(joined == (try await file.readAll()))
    }

    @Test("a whole object gives a descriptor once it is loaded, a chunked file and an absent one an error")
    func descriptor() async throws {
        let opened = try await OpenedFixture(Fixtures.named("tiny"))
        let snapshot = try await opened.repository.snapshot()
        let small = try await snapshot.file("/f34.so")
        let error = #expect(throws: CVMFSError.self) { try small.withDescriptor { _ in } }
        #expect(error?.code == .invalidArgument)
        try await small.load()
        let content = try small.withDescriptor { descriptor in
            try [UInt8](unsafeUninitializedCapacity: Int(small.size)) { buffer, count in
                count = try descriptor.read(fromAbsoluteOffset: 0, into: UnsafeMutableRawBufferPointer(buffer))
            }
        }
        #expect(content == (try await small.readAll()))
        let chunked = try await snapshot.file("/large1.bin")
        #expect(throws: CVMFSError.self) { try chunked.withDescriptor { _ in } }
    }

    @Test("what is no file cannot be opened as one, and the error says what it is")
    func otherKinds() async throws {
        let opened = try await OpenedFixture(Fixtures.named("tiny"))
        let snapshot = try await opened.repository.snapshot()
        for (path, code) in [
            ("/d0", CVMFSError.Code.isADirectory), ("/fifo", .notAFile), ("/null", .notAFile),
            ("/nowhere", .noSuchEntry),
        ] {
            let error = await #expect(throws: CVMFSError.self) { try await snapshot.file(RepositoryPath(path)) }
            #expect(error?.code == code)
        }
    }
}

import CASCore
import FixtureTrees
import Testing

@Suite("Objects of real repositories")
struct FixtureObjectsTests {
    /// The identity that an object's path says: `data/ab/…`, suffix, letter.
    private func id(at path: String, in repository: FixtureRepository) throws -> ObjectID {
        var text = path.dropFirst("data/".count).filter { $0 != "/" }
        let kind = ObjectKind.allCases.first { $0 != .file && text.hasSuffix($0.letter) } ?? .file
        text.removeLast(kind.letter.count)
        let compression: Compression = kind == .file || kind == .chunk ? repository.fileCompression : .zlib
        return ObjectID(try #require(ContentHash(text), "\(path)"), kind: kind, compression: compression)
    }

    @Test("every object has the hash that names it, and unpacks", arguments: Fixtures.all)
    func unpack(repository: FixtureRepository) throws {
        var random = SeededGenerator(for: "objects of \(repository)")
        var kinds: Set<ObjectKind> = []
        for path in try repository.objectPaths() {
            let stored = try repository.bytes(path)
            let id = try id(at: path, in: repository)
            #expect(id.serverPath == path)
            #expect(id.hash.algorithm == repository.hashAlgorithm)
            #expect(ContentHash(hashing: stored.span.bytes, with: repository.hashAlgorithm) == id.hash, "\(path)")
            let plain = try id.unpack(stored.span.bytes, size: .atMost(64 << 20))
            // Once more with what a catalog knows, in pieces and whole.
            for (budget, delivery) in [
                (InflateBudget.shared, Delivery.all[2]), (InflateBudget(bytes: 0), Delivery.all[1]),
            ] {
                let found = ContentDecoderTests.decode(
                    stored, as: id, size: .exactly(Int64(plain.count)), budget: budget, delivery, random: &random)
                expectSame(found.content, plain, "\(path)")
            }
            switch id.kind {
            case .catalog, .history: #expect(plain.starts(with: Array("SQLite format 3\0".utf8)), "\(path)")
            case .certificate: #expect(plain.starts(with: Array("-----BEGIN CERTIFICATE-----".utf8)), "\(path)")
            case .metainfo: #expect(plain.first == UInt8(ascii: "{"), "\(path)")
            case .file, .chunk, .microCatalog: break
            }
            kinds.insert(id.kind)
        }
        // Micro catalogs are reserved, and the smallest of the fixtures has no large file.
        let absent: Set<ObjectKind> = repository.name.contains("tinyplain") ? [.microCatalog, .chunk] : [.microCatalog]
        #expect(kinds == Set(ObjectKind.allCases).subtracting(absent))
    }

    @Test("the reference's zlib objects are those that the deflater makes", arguments: Fixtures.small)
    func deflate(repository: FixtureRepository) throws {
        var deflater = try Deflater()
        var compared = 0
        for path in try repository.objectPaths() {
            let stored = try repository.bytes(path)
            let id = try id(at: path, in: repository)
            guard id.compression == .zlib else { continue }
            let plain = try id.unpack(stored.span.bytes, size: .atMost(64 << 20))
            var again: [UInt8] = []
            let output = { (piece: RawSpan) throws(CASError) in
                piece.withUnsafeBytes { again.append(contentsOf: $0) }
            }
            try deflater.update(plain.span.bytes, output)
            try deflater.finish(output)
            expectSame(again, stored, "\(path)")
            compared += 1
        }
        #expect(compared > 3)
    }
}

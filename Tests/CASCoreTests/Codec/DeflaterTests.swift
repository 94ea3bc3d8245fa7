import CASCore
import FixtureTrees
import Testing

@Suite("Deflating piece by piece")
struct DeflaterTests {
    private func deflate(
        _ plain: [UInt8], cuts: [Range<Int>], with deflater: inout Deflater
    ) throws(CASError) -> [UInt8] {
        var stored: [UInt8] = []
        let output = { (piece: RawSpan) throws(CASError) in
            piece.withUnsafeBytes { stored.append(contentsOf: $0) }
        }
        for cut in cuts { try deflater.update(plain.span.bytes.extracting(cut), output) }
        try deflater.finish(output)
        return stored
    }

    @Test("the bytes are those of zlib's compress2, however the content is fed")
    func pieces() throws {
        var random = SeededGenerator(for: "deflating in pieces")
        var deflater = try Deflater()
        for length in [0, 1, 2, 3, 257, 258, 259, 4096, 32_767, 32_768, 65_536, 262_144, 700_000] {
            for plain in [random.text(length), random.noise(length), [UInt8](repeating: 7, count: length)] {
                let expected = ZlibReference.compress(plain)
                for most in [length + 1, 70_000, 300] {
                    let found = try deflate(plain, cuts: random.cuts(of: length, atMost: most), with: &deflater)
                    expectSame(found, expected, "\(length) bytes")
                }
            }
        }
    }

    @Test("nothing becomes the empty stream that the format names")
    func empty() throws {
        var deflater = try Deflater()
        let stored = try deflate([], cuts: [], with: &deflater)
        let hash = ContentHash(hashing: stored.span.bytes, with: .sha1)
        #expect(stored == [0x78, 0x9C, 0x03, 0x00, 0x00, 0x00, 0x00, 0x01])
        #expect(hash.description == "e8ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78")
    }

    @Test("after a reset nothing is left of what was fed")
    func reset() throws {
        var random = SeededGenerator(for: "resetting a deflater")
        var deflater = try Deflater()
        let noise = random.noise(100_000)
        try deflater.update(noise.span.bytes) { _ in }
        deflater.reset()
        let plain = random.text(5000)
        let found = try deflate(plain, cuts: [0..<5000], with: &deflater)
        expectSame(found, ZlibReference.compress(plain))
    }
}

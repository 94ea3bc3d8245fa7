import CASCore
import CZlib
import FixtureTrees
import Testing

@Suite("Checksums of plain content")
struct ChecksumTests {
    @Test("the published check value comes out")
    func published() {
        let digits = Array("123456789".utf8)
        #expect(Checksum.of(digits.span.bytes) == 0xCBF4_3926)
        #expect(Checksum.of([UInt8]().span.bytes) == 0)
    }

    @Test("it is zlib's CRC-32, however the content is fed")
    func pieces() {
        var random = SeededGenerator(for: "checksum in pieces")
        for length in [0, 1, 15, 16, 17, 4095, 70_000] {
            let bytes = random.noise(length)
            var checksum = Checksum()
            for cut in random.cuts(of: length, atMost: 3000) { checksum.update(bytes.span.bytes.extracting(cut)) }
            #expect(UInt(checksum.value) == crc32_z(0, bytes, bytes.count), "\(length) bytes")
        }
    }
}

import CASCore
import FixtureTrees
import Testing

@Suite("How long stored bytes can be")
struct CompressionTests {
    @Test("no content that cannot be packed exceeds the bound")
    func noise() {
        var random = SeededGenerator(for: "bound of stored bytes")
        for length in [0, 1, 1000, 65_536, 1_000_000] {
            let stored = ZlibReference.compress(random.noise(length))
            #expect(Int64(stored.count) <= Compression.zlib.mostStoredBytes(ofPlain: Int64(length)))
            #expect(Compression.none.mostStoredBytes(ofPlain: Int64(length)) == Int64(length))
        }
    }

    @Test("absurd sizes have a bound too")
    func absurd() {
        #expect(Compression.zlib.mostStoredBytes(ofPlain: .max) == .max)
        #expect(Compression.none.mostStoredBytes(ofPlain: .max) == .max)
        for compression in Compression.allCases {
            #expect(compression.mostStoredBytes(ofPlain: .min) == compression.mostStoredBytes(ofPlain: 0))
        }
        #expect(Compression.none.mostStoredBytes(ofPlain: 0) == 0)
    }
}

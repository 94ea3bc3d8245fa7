import FixtureTrees
import Testing

@testable import Publishing

@Suite("Cutting by content")
struct ChunkCutterTests {
    /// The rule word by word, on everything at once. Source: format 3.1.
    private func cuts(of content: [UInt8], _ sizes: ChunkSizes) -> [Int] {
        let threshold = Int64(UInt32.max / UInt32(sizes.average))
        var cuts: [Int] = []
        var start = 0
        while true {
            var rolling: UInt32 = 0
            var found: Int?
            var position = start + max(0, sizes.minimum - 32)
            while position < content.count, found == nil {
                if position == start + sizes.maximum {
                    found = position
                    break
                }
                rolling = (rolling << 1) ^ UInt32(content[position])
                if position >= start + sizes.minimum {
                    let distance = abs(Int64(rolling) - 2_147_483_647)
                    if distance < threshold || rolling == 0xFFFF_FFFF { found = position }
                }
                position += 1
            }
            guard let found else { return cuts }
            cuts.append(found)
            start = found
        }
    }

    private func cuts(of content: [UInt8], _ sizes: ChunkSizes, feeding pieces: [Range<Int>]) -> [Int] {
        var cutter = ChunkCutter(sizes)
        var cuts: [Int] = []
        content.withUnsafeBytes { content in
            for piece in pieces {
                var start = piece.lowerBound
                while let cut = cutter.cut(UnsafeRawBufferPointer(rebasing: content[start..<piece.upperBound])) {
                    start += cut
                    cuts.append(start)
                }
            }
        }
        return cuts
    }

    @Test("cuts are those of the rule, however the content is fed")
    func rule() throws {
        var random = SeededGenerator(for: "cuts are those of the rule")
        let choices = try [
            ChunkSizes(minimum: 1024, average: 2048, maximum: 4096),
            ChunkSizes(minimum: 1024, average: 1024, maximum: 1024),
            ChunkSizes(minimum: 1024, average: 5000, maximum: 5000),
            ChunkSizes(minimum: 2000, average: 2000, maximum: 1 << 20),
        ]
        for sizes in choices {
            let contents = [
                random.noise(60_000), random.text(60_000), [UInt8](repeating: 1, count: 20_000),
                [UInt8](repeating: 0, count: 20_000), random.noise(sizes.minimum), random.noise(sizes.minimum + 1), [],
            ]
            for content in contents {
                let expected = cuts(of: content, sizes)
                #expect(cuts(of: content, sizes, feeding: [0..<content.count]) == expected)
                let pieces = random.cuts(of: content.count, atMost: 3000)
                #expect(cuts(of: content, sizes, feeding: pieces) == expected)
            }
        }
    }

    @Test("a file of bytes 1 is cut at every minimum, one of zeros at every maximum")
    func quirks() {
        let ones = [UInt8](repeating: 1, count: 9 << 20)
        #expect(cuts(of: ones, .standard, feeding: [0..<ones.count]) == [4 << 20, 8 << 20])
        let zeros = [UInt8](repeating: 0, count: 33 << 20)
        #expect(cuts(of: zeros, .standard, feeding: [0..<zeros.count]) == [16 << 20, 32 << 20])
    }

    @Test("sizes out of order are refused")
    func order() {
        #expect(throws: PublishingError.self) { try ChunkSizes(minimum: 100, average: 200, maximum: 300) }
        #expect(throws: PublishingError.self) { try ChunkSizes(minimum: 4096, average: 2048, maximum: 8192) }
        #expect(throws: PublishingError.self) { try ChunkSizes(minimum: 4096, average: 4096, maximum: 1 << 30) }
    }
}

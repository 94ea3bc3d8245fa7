import CASCore
import FixtureTrees
import Testing

@Suite("Inflating piece by piece")
struct InflaterTests {
    /// Feeds a stream in pieces; gives what came out, or throws what went wrong.
    private func inflate(
        _ stored: [UInt8], cuts: [Range<Int>]? = nil, limit: Int64 = .max, with inflater: inout Inflater
    ) throws(CASError) -> [UInt8] {
        var plain: [UInt8] = []
        for cut in cuts ?? [0..<stored.count] {
            try inflater.update(stored.span.bytes.extracting(cut), limit: limit) { piece throws(CASError) in
                piece.withUnsafeBytes { plain.append(contentsOf: $0) }
            }
        }
        try inflater.finish()
        return plain
    }

    /// The error with which unpacking ends.
    private func failure(
        _ stored: [UInt8], cuts: [Range<Int>]? = nil, limit: Int64 = .max, with inflater: inout Inflater
    ) -> CASError? {
        do throws(CASError) {
            _ = try inflate(stored, cuts: cuts, limit: limit, with: &inflater)
            return nil
        } catch { return error }
    }

    @Test("what zlib packed comes out again, however it is fed")
    func pieces() throws {
        var random = SeededGenerator(for: "inflating in pieces")
        var inflater = try Inflater()
        for length in [0, 1, 100, 65_535, 65_536, 65_537, 131_072, 300_000] {
            for plain in [random.text(length), random.noise(length), [UInt8](repeating: 7, count: length)] {
                let stored = ZlibReference.compress(plain)
                for most in [1, 100, 70_000] where most > 1 || length <= 65_537 {
                    inflater.reset()
                    let cuts = random.cuts(of: stored.count, atMost: most)
                    let found = try inflate(stored, cuts: cuts, with: &inflater)
                    expectSame(found, plain)
                    let (isAtEnd, produced) = (inflater.isAtEnd, inflater.produced)
                    #expect(isAtEnd)
                    #expect(produced == Int64(length))
                }
            }
        }
    }

    @Test("a stream that ends too early is refused, wherever that is")
    func truncated() throws {
        var random = SeededGenerator(for: "truncated streams")
        let stored = ZlibReference.compress(random.text(500))
        var inflater = try Inflater()
        for length in 0..<stored.count {
            inflater.reset()
            let error = failure(Array(stored[..<length]), with: &inflater)
            let isAtEnd = inflater.isAtEnd
            #expect(error?.code == .corruptStream, "\(length) bytes")
            #expect(!isAtEnd, "\(length) bytes")
        }
    }

    @Test("bytes behind the end are refused, in the same piece and in another", arguments: [1, 2, 8, 100_000])
    func trailing(count: Int) throws {
        var random = SeededGenerator(for: "trailing bytes")
        let stored = ZlibReference.compress(random.text(500))
        let longer = stored + random.noise(count)
        var inflater = try Inflater()
        for cuts in [[0..<longer.count], [0..<stored.count, stored.count..<longer.count]] {
            inflater.reset()
            let error = failure(longer, cuts: cuts, with: &inflater)
            #expect(error?.code == .corruptStream)
        }
    }

    @Test("nothing is given out beyond the limit, and the limit itself is allowed")
    func limit() throws {
        var random = SeededGenerator(for: "limits of inflating")
        let plain = random.text(200_000)
        let stored = ZlibReference.compress(plain)
        var inflater = try Inflater()
        let whole = try inflate(stored, limit: 200_000, with: &inflater)
        expectSame(whole, plain)
        for limit in [0, 1, 65_535, 65_536, 65_537, 131_072, 199_999] as [Int64] {
            inflater.reset()
            let error = failure(stored, limit: limit, with: &inflater)
            #expect(error?.code == .tooLarge)
            let produced = inflater.produced
            #expect(produced <= limit)
        }
    }

    @Test("a bomb ends at the limit")
    func bomb() throws {
        let bomb = ZlibReference.zeros(mebibytes: 1024)
        #expect(bomb.count < 2 << 20)
        var inflater = try Inflater()
        let error = failure(bomb, limit: 10, with: &inflater)
        #expect(error?.code == .tooLarge)
        let produced = inflater.produced
        #expect(produced <= 10)
    }

    @Test("the bomb of these tests is a valid stream")
    func bombIsValid() throws {
        var inflater = try Inflater()
        let plain = try inflate(ZlibReference.zeros(mebibytes: 3), with: &inflater)
        expectSame(plain, [UInt8](repeating: 0, count: 3 << 20))
    }

    @Test(
        "what is no zlib stream is refused",
        arguments: [
            "<html><body>It works!</body></html>", "\u{1F}\u{8B}\u{8}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{3}", "x", "xx",
            "SQLite format 3\u{0}",
        ])
    func other(text: String) throws {
        var inflater = try Inflater()
        let error = failure(Array(text.utf8), with: &inflater)
        #expect(error?.code == .corruptStream)
    }

    @Test("a stream that wants a dictionary is refused")
    func dictionary() throws {
        var inflater = try Inflater()
        // The header of RFC 1950 with FDICT set, and a dictionary's checksum.
        let error = failure([0x78, 0xBB, 0x12, 0x34, 0x56, 0x78, 0x03, 0x00, 0, 0, 0, 1], with: &inflater)
        #expect(error?.code == .corruptStream)
    }

    @Test("what the output throws ends it")
    func outputError() throws {
        var inflater = try Inflater()
        let stored = ZlibReference.compress([1, 2, 3])
        var found: CASError?
        do throws(CASError) {
            try inflater.update(stored.span.bytes, limit: 3) { _ throws(CASError) in throw CASError(.noSpace, "full") }
        } catch { found = error }
        #expect(found?.code == .noSpace)
    }
}

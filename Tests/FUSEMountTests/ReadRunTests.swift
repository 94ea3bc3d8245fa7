import Testing

@testable import FUSEMount

@Suite struct ReadRunTests {
    @Test func `What was read to the end goes at once, and only then`() {
        var run = ReadRun()
        #expect(run.read(0..<100, of: 300) == nil)
        #expect(run.read(100..<200, of: 300) == nil)
        #expect(run.read(200..<300, of: 300) == 0..<300)
        // Again, and a small file in one read.
        #expect(run.read(0..<300, of: 300) == 0..<300)
    }

    @Test func `Of a long file the pieces go that were read, and all of them`() {
        let (size, step) = (ReadRun.pieceBytes * 5 + 12345, Int64(1 << 20))
        var run = ReadRun()
        var end: Int64 = 0
        for start in stride(from: 0, to: size, by: Int(step)) {
            guard let given = run.read(start..<min(start + step, size), of: size) else { continue }
            #expect(given.lowerBound == end)
            end = given.upperBound
        }
        #expect(end == size)
    }

    @Test func `Reads that several threads answer in any order are one run`() {
        let step: Int64 = 128 << 10
        var run = ReadRun()
        var given: [Range<Int64>] = []
        for index in [1, 0, 3, 2, 5, 4, 7, 6] as [Int64] {
            if let range = run.read(index * step..<(index + 1) * step, of: 8 * step) { given.append(range) }
        }
        #expect(given == [0..<8 * step])
    }

    @Test func `Reads here and there keep their pages`() {
        var generator = SystemRandomNumberGenerator()
        let size: Int64 = 10 << 30
        var run = ReadRun()
        _ = run.read(ReadRun.gapBytes * 8..<ReadRun.gapBytes * 8 + 4096, of: size)
        for index in 0..<1000 as Range<Int64> {
            // Far from the one before, and from the beginning.
            let base = (index % 2 == 0 ? 1 : 6) * (size / 8)
            let start = base + Int64.random(in: 0..<size / 8, using: &generator)
            #expect(run.read(start..<start + 4096, of: size) == nil)
        }
        // The end alone is no reason.
        #expect(run.read(size - 4096..<size, of: size) == nil)
    }
}

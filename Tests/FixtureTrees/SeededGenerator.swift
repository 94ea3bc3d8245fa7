import Foundation

/// Random numbers that can be had again: SplitMix64 from a seed that is printed.
public struct SeededGenerator: RandomNumberGenerator {
    public let seed: UInt64
    private var state: UInt64

    /// Takes the seed of the environment variable `TEST_SEED`, or else a random one, and prints it.
    /// - Parameter purpose: the test, so that one knows which seed was whose.
    public init(for purpose: String) {
        let given = ProcessInfo.processInfo.environment["TEST_SEED"].flatMap { UInt64($0) }
        self.init(seed: given ?? UInt64.random(in: 0...UInt64(UInt32.max)))
        print("\(purpose): TEST_SEED=\(seed)")
    }

    public init(seed: UInt64) {
        self.seed = seed
        state = seed
    }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// Bytes without any order, which cannot be packed.
    public mutating func noise(_ count: Int) -> [UInt8] {
        var words: [UInt64] = []
        words.reserveCapacity(count / 8 + 1)
        for _ in 0...(count / 8) { words.append(next().littleEndian) }
        return words.withUnsafeBytes { Array($0.prefix(count)) }
    }

    /// Bytes like text, which pack to about a third.
    public mutating func text(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 16)
        while bytes.count < count {
            // Low numbers come more often, as some words do.
            let choice = next()
            let bound = 1 + choice % UInt64(Self.words.count)
            bytes.append(contentsOf: Self.words[Int((choice >> 32) % bound)])
        }
        bytes.removeLast(bytes.count - count)
        return bytes
    }

    /// Words with the space or the end of line behind them.
    private static let words: [[UInt8]] = {
        var random = SeededGenerator(seed: 1)
        return (0..<2000).map { index in
            let letters = (0..<Int.random(in: 2...9, using: &random)).map { _ in
                UInt8.random(in: UInt8(ascii: "a")...UInt8(ascii: "z"), using: &random)
            }
            return letters + [UInt8(ascii: index % 12 == 0 ? "\n" : " ")]
        }
    }()

    /// Cuts a length into random pieces, some of them empty or of one byte.
    public mutating func cuts(of length: Int, atMost most: Int) -> [Range<Int>] {
        var cuts: [Range<Int>] = []
        var start = 0
        while start < length {
            let bound = [0, 1, 17, most][Int.random(in: 0..<4, using: &self)]
            let end = min(length, start + Int.random(in: 0...min(bound, most), using: &self))
            cuts.append(start..<end)
            start = end
        }
        return cuts
    }
}

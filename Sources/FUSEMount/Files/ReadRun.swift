/// The bytes of a file that were read one after the other of late.
///
/// Whoever reads a file through a mount has it in the mount's page cache. That of the cache's file holds it once more, for
/// nobody, when the file was read to its end, or a good piece of it.
struct ReadRun {
    /// What is given up at a time in the middle of a file, in bytes.
    static let pieceBytes: Int64 = 8 << 20
    /// How far apart two reads may be that belong together: several threads answer them, in any order.
    static let gapBytes: Int64 = 2 << 20

    private var range: Range<Int64> = 0..<0

    /// Notes a read.
    ///
    /// - Parameter size: of the file.
    /// - Returns: bytes that the mount's page cache has, and whose pages in the cache's file can go.
    mutating func read(_ bytes: Range<Int64>, of size: Int64) -> Range<Int64>? {
        let isNear =
            bytes.lowerBound <= range.upperBound + Self.gapBytes && bytes.upperBound >= range.lowerBound - Self.gapBytes
        range =
            isNear
            ? min(range.lowerBound, bytes.lowerBound)..<max(range.upperBound, bytes.upperBound) : bytes
        let isPiece = Int64(range.count) >= Self.pieceBytes
        // From the beginning on, or from the last piece: its end is no read at random.
        let isRest = range.upperBound >= size && (range.lowerBound == 0 || range.lowerBound == given)
        guard isPiece || isRest else { return nil }
        defer {
            given = range.upperBound
            range = given..<given
        }
        return range
    }

    /// Where the last piece ended.
    private var given: Int64 = 0
}

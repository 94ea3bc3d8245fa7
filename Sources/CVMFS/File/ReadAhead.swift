/// Decides which chunks of a file to fetch before they are asked for.
///
/// A value without I/O. Reads that follow each other widen the window by one chunk each time they enter a new one, a
/// jump closes it.
package struct ReadAhead: Sendable {
    /// Chunks fetched ahead at most: at 8 MiB each, enough to keep a fast network busy while one chunk is read.
    static let maximumWindow = 3

    private var expectedOffset: Int64 = 0
    private var lastChunk = -1
    private var window = 0

    package init() {}

    /// Notes a read, and tells which chunks to fetch ahead.
    ///
    /// - Parameters:
    ///   - offset: where the read begins, in bytes.
    ///   - count: its length in bytes.
    ///   - chunks: indices of the chunks that it touches.
    ///   - total: the number of chunks the file has.
    package mutating func read(at offset: Int64, count: Int, chunks: ClosedRange<Int>, total: Int) -> Range<Int> {
        // Readers with several buffers under way come slightly out of order: a small step is no jump.
        let isSequential = offset >= expectedOffset - Int64(count) * 4 && offset <= expectedOffset + Int64(count) * 4
        expectedOffset = offset + Int64(count)
        if !isSequential {
            window = 0
        } else if chunks.upperBound != lastChunk {
            window = min(window + 1, Self.maximumWindow)
        }
        lastChunk = chunks.upperBound
        let first = chunks.upperBound + 1
        return first..<max(first, min(total, first + window))
    }
}

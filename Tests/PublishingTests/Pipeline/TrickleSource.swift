import Publishing

/// Content in memory that comes in small pieces, is as long as it says or not, and perhaps fails.
final class TrickleSource: ContentSource {
    let label = "a trickle"
    let expectedSize: Int64?
    private let bytes: [UInt8]
    private let piece: Int
    private let failsAt: Int?
    private var offset = 0

    init(_ bytes: [UInt8], piece: Int = 777, expects: Int64?, failsAt: Int? = nil) {
        self.bytes = bytes
        self.piece = piece
        self.failsAt = failsAt
        expectedSize = expects
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(PublishingError) -> Int {
        if let failsAt, offset >= failsAt { throw PublishingError(.source, "a trickle: dries up") }
        let count = min(piece, buffer.count, bytes.count - offset)
        bytes.withUnsafeBytes { buffer.copyMemory(from: .init(rebasing: $0[offset..<(offset + count)])) }
        offset += count
        return count
    }
}

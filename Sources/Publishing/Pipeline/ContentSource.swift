/// Content that is to be stored, pulled piece by piece.
///
/// It is read by one task at a time, on that task's executor, so it may block and need not be `Sendable`.
package protocol ContentSource: AnyObject {
    /// What messages call it: its path.
    var label: String { get }

    /// How many bytes there are to come; `nil` when nobody knows. When it turns out to be another number, the content
    /// has changed, and is refused.
    var expectedSize: Int64? { get }

    /// Fills some of the buffer and gives the number of bytes; 0 at the end.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws(PublishingError) -> Int

    /// Asked for once, after the end: throws `changed` when the content is not what it was at the start.
    /// - Returns: what the file can be recognised by another time; `nil` when it cannot.
    func finish() throws(PublishingError) -> FileIdentity?
}

extension ContentSource {
    package func finish() throws(PublishingError) -> FileIdentity? { nil }
}

/// Bytes in memory.
package final class BytesSource: ContentSource {
    package let label: String
    private let bytes: [UInt8]
    private var offset = 0

    package init(_ bytes: [UInt8], label: String = "bytes in memory") {
        self.bytes = bytes
        self.label = label
    }

    package var expectedSize: Int64? { Int64(bytes.count) }

    package func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(buffer.count, bytes.count - offset)
        bytes.withUnsafeBytes { buffer.copyMemory(from: .init(rebasing: $0[offset..<(offset + count)])) }
        offset += count
        return count
    }
}

internal import CASCore

/// Reads a source to its end, and refuses it when it has another size than it said.
struct SourceReader {
    let source: any ContentSource
    private(set) var count: Int64 = 0
    private(set) var isAtEnd = false

    init(_ source: any ContentSource) { self.source = source }

    /// Fills a buffer until it is full or the source at its end, in steps of `PipelineLimits.readBytes`.
    mutating func fill(_ buffer: ContentBuffer) throws(PublishingError) {
        while !isAtEnd, buffer.room.count > 0 { try readOnce(into: buffer) }
    }

    /// Fills some of a buffer; nothing at the end.
    mutating func readOnce(into buffer: ContentBuffer) throws(PublishingError) {
        let room = buffer.room
        buffer.filled(try read(UnsafeMutableRawBufferPointer(rebasing: room.prefix(PipelineLimits.readBytes))))
    }

    /// Reads a piece, and gives its length.
    mutating func read(_ piece: UnsafeMutableRawBufferPointer) throws(PublishingError) -> Int {
        let got = try source.read(into: piece)
        count += Int64(got)
        if let expected = source.expectedSize, got == 0 ? count != expected : count > expected {
            throw PublishingError(
                .changed,
                "\(source.label): has \(got == 0 ? "" : "more than ")\(got == 0 ? count : expected) bytes instead of "
                    + "\(expected); it changed while it was read")
        }
        if got == 0 { isAtEnd = true }
        return got
    }

    /// Demands that there is no more.
    /// - Returns: what the file can be recognised by.
    mutating func end() throws(PublishingError) -> FileIdentity? {
        var byte: UInt8 = 0
        while !isAtEnd {
            let got = try withUnsafeMutableBytes(of: &byte) { (piece) throws(PublishingError) in try read(piece) }
            precondition(got == 0, "unreachable: whoever demands the end knows the size, and more is refused")
        }
        return try source.finish()
    }
}

internal import Synchronization

extension ObjectID {
    /// Verifies an object that is wholly in memory, and unpacks it.
    ///
    /// - Parameters:
    ///   - stored: the object's bytes as a server has them.
    ///   - size: what is known of the content's size, in bytes; it bounds what is allocated.
    /// - Throws: `hashMismatch` when the bytes are not those of this name, `corruptStream` when they are no zlib
    ///   stream, `sizeMismatch` or `tooLarge` when the content has another size.
    ///
    /// Source: format 1.
    public func unpack(_ stored: RawSpan, size: ContentSize) throws(CASError) -> [UInt8] {
        let output = ArrayOutput()
        let decoder = ContentDecoder(id: self, size: size, output: output)
        try decoder.restart(expectedLength: stored.byteCount)
        try decoder.write(stored)
        try decoder.finish()
        return output.bytes
    }

    /// The same for an array.
    public func unpack(_ stored: [UInt8], size: ContentSize) throws(CASError) -> [UInt8] {
        try unpack(stored.span.bytes, size: size)
    }
}

/// Content in an array.
private final class ArrayOutput: ContentOutput {
    private let content = Mutex<[UInt8]>([])

    var bytes: [UInt8] { content.withLock { $0 } }

    func restart() { content.withLock { $0 = [] } }

    func write(_ bytes: RawSpan) {
        content.withLock { content in bytes.withUnsafeBytes { content.append(contentsOf: $0) } }
    }
}

/// Bytes that come one after another: of a file, a pipe, or unpacked from another such stream. Blocks for them.
///
/// It belongs to one task at a time.
package protocol ByteStream: AnyObject {
    /// What error messages call it.
    var label: String { get }

    /// Puts the next bytes at the start of a buffer that is not empty: how many, 0 at the end.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws(PublishingError) -> Int
}

extension ByteStream {
    /// Fills the buffer as far as the stream has bytes: how many there were.
    func fill(_ buffer: UnsafeMutableRawBufferPointer) throws(PublishingError) -> Int {
        var filled = 0
        while filled < buffer.count {
            let count = try read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]))
            if count == 0 { break }
            filled += count
        }
        return filled
    }

    /// All bytes up to the end.
    ///
    /// - Parameter limit: with more bytes than that it throws.
    func readAll(limit: Int) throws(PublishingError) -> [UInt8] {
        var bytes: [UInt8] = []
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
        defer { buffer.deallocate() }
        while true {
            let count = try read(into: buffer)
            if count == 0 { return bytes }
            guard count <= limit - bytes.count else {
                throw PublishingError(.source, "\(label) has more than \(limit) bytes, which no such document has")
            }
            bytes.append(contentsOf: buffer[..<count])
        }
    }

    /// Reads up to the end and forgets what comes.
    func drain() throws(PublishingError) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 128 << 10, alignment: 16)
        defer { buffer.deallocate() }
        while try read(into: buffer) > 0 {}
    }
}

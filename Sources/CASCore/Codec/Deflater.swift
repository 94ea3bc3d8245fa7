internal import CZlib
internal import SystemPackage

/// Packs content into one zlib stream after another, piece by piece.
///
/// The bytes are those of zlib's default level and window, which all repositories share: they do not depend on how
/// the content is fed. Source: format 1.
package struct Deflater: ~Copyable {
    /// zlib keeps a pointer to this structure in its state, so it must not move.
    private let stream: UnsafeMutablePointer<z_stream>
    private let piece: UnsafeMutableRawBufferPointer

    package init() throws(CASError) {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        piece = .allocate(byteCount: Limits.pieceBytes, alignment: 64)
        let code = deflateInit_(
            stream, Z_DEFAULT_COMPRESSION, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard code == Z_OK else {
            stream.deallocate()
            piece.deallocate()
            throw CASError(.system, "zlib cannot start to deflate (code \(code))", errno: .noMemory)
        }
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
        piece.deallocate()
    }

    /// Takes the next bytes of the content and gives out what there is of the stream, at most `Limits.pieceBytes` at
    /// a time.
    package mutating func update(
        _ plain: RawSpan, _ output: (RawSpan) throws(CASError) -> Void
    ) throws(CASError) {
        var offset = 0
        while offset < plain.byteCount {
            // zlib counts in 32 bits.
            let count = min(plain.byteCount - offset, 1 << 30)
            try deflate(plain.extracting(offset..<(offset + count)), Z_NO_FLUSH, output)
            offset += count
        }
    }

    /// Gives out the rest of the stream; the deflater starts afresh.
    package mutating func finish(_ output: (RawSpan) throws(CASError) -> Void) throws(CASError) {
        try deflate(RawSpan(), Z_FINISH, output)
        deflateReset(stream)
    }

    /// Forgets what was fed, and makes ready for another stream.
    package mutating func reset() { deflateReset(stream) }

    private mutating func deflate(
        _ plain: RawSpan, _ flush: Int32, _ output: (RawSpan) throws(CASError) -> Void
    ) throws(CASError) {
        // zlib keeps the pointer between its calls, so all of them are made while the span is borrowed.
        let result = plain.withUnsafeBytes { plain -> Result<Void, CASError> in
            do throws(CASError) {
                return .success(try deflate(plain, flush, output))
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    private mutating func deflate(
        _ plain: UnsafeRawBufferPointer, _ flush: Int32, _ output: (RawSpan) throws(CASError) -> Void
    ) throws(CASError) {
        // zlib only reads its input; the pointer is not `const` for historical reasons.
        stream.pointee.next_in = UnsafeMutablePointer(
            mutating: plain.baseAddress?.assumingMemoryBound(to: UInt8.self))
        stream.pointee.avail_in = UInt32(plain.count)
        defer { stream.pointee.next_in = nil }
        while true {
            stream.pointee.next_out = piece.baseAddress?.assumingMemoryBound(to: UInt8.self)
            stream.pointee.avail_out = UInt32(piece.count)
            let code = CZlib.deflate(stream, flush)
            guard code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR else {
                throw CASError(.system, "zlib fails to deflate (code \(code))")
            }
            let count = piece.count - Int(stream.pointee.avail_out)
            if count > 0 { try output(UnsafeRawBufferPointer(rebasing: piece[..<count]).bytes) }
            // With room left zlib has taken all input, and given out all there is of it for now.
            if code == Z_STREAM_END || stream.pointee.avail_out > 0 { return }
        }
    }
}

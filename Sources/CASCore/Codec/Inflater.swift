internal import CZlib
internal import SystemPackage

/// Unpacks one zlib stream (RFC 1950) after another, piece by piece.
package struct Inflater: ~Copyable {
    static let pool = Pool<Inflater>(capacity: Limits.idleCodecs)

    /// An inflater for one stream; give it to the pool afterwards.
    static func idleOrNew() throws(CASError) -> Inflater {
        guard var idle = pool.take() else { return try Inflater() }
        idle.reset()
        return idle
    }

    /// zlib keeps a pointer to this structure in its state, so it must not move.
    private let stream: UnsafeMutablePointer<z_stream>
    private let piece: UnsafeMutableRawBufferPointer
    /// Whether the stream is complete, its checksum included.
    package private(set) var isAtEnd = false
    /// Plain bytes given out so far.
    package private(set) var produced: Int64 = 0

    package init() throws(CASError) {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        piece = .allocate(byteCount: Limits.pieceBytes, alignment: 64)
        let code = inflateInit2_(stream, MAX_WBITS, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard code == Z_OK else {
            stream.deallocate()
            piece.deallocate()
            throw CASError(.system, "zlib cannot start to inflate (code \(code))", errno: .noMemory)
        }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
        piece.deallocate()
    }

    /// Makes ready for another stream.
    package mutating func reset() {
        inflateReset(stream)
        isAtEnd = false
        produced = 0
    }

    /// Takes the next bytes of the stream and gives out what they unpack to, at most `Limits.pieceBytes` at a time.
    ///
    /// - Parameter limit: the most plain bytes the whole stream may have; nothing beyond it is given out.
    /// - Throws: `corruptStream` when the bytes are no zlib stream or go on after its end, `tooLarge` beyond the limit,
    ///   and what `output` throws.
    package mutating func update(
        _ input: RawSpan, limit: Int64, _ output: (RawSpan) throws(CASError) -> Void
    ) throws(CASError) {
        var offset = 0
        while offset < input.byteCount {
            guard !isAtEnd else { throw Self.trailing(input.byteCount - offset) }
            // zlib counts in 32 bits.
            let count = min(input.byteCount - offset, 1 << 30)
            offset += try inflate(input.extracting(offset..<(offset + count)), limit: limit, output)
        }
    }

    /// The stream must be complete.
    /// - Throws: `corruptStream` when it ends too early.
    package func finish() throws(CASError) {
        guard isAtEnd else {
            throw CASError(.corruptStream, "the zlib stream ends too early, after \(produced) plain bytes")
        }
    }

    /// Returns how many bytes of the input were used: all, unless the stream ended before.
    private mutating func inflate(
        _ input: RawSpan, limit: Int64, _ output: (RawSpan) throws(CASError) -> Void
    ) throws(CASError) -> Int {
        // zlib keeps the pointer between its calls, so all of them are made while the span is borrowed.
        let result = input.withUnsafeBytes { input -> Result<Int, CASError> in
            do throws(CASError) {
                return .success(try inflate(input, limit: limit, output))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private mutating func inflate(
        _ input: UnsafeRawBufferPointer, limit: Int64, _ output: (RawSpan) throws(CASError) -> Void
    ) throws(CASError) -> Int {
        // zlib only reads its input; the pointer is not `const` for historical reasons.
        stream.pointee.next_in = UnsafeMutablePointer(
            mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self))
        stream.pointee.avail_in = UInt32(input.count)
        defer { stream.pointee.next_in = nil }
        while true {
            // One byte more than allowed tells a stream that is too long from one that ends in time.
            let allowed = max(0, limit - produced)
            let room = allowed < Int64(piece.count) ? Int(allowed) + 1 : piece.count
            stream.pointee.next_out = piece.baseAddress?.assumingMemoryBound(to: UInt8.self)
            stream.pointee.avail_out = UInt32(room)
            let code = CZlib.inflate(stream, Z_NO_FLUSH)
            let count = room - Int(stream.pointee.avail_out)
            guard code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR else { throw failure(code) }
            guard count <= allowed else {
                throw CASError(.tooLarge, "the zlib stream unpacks to more than the \(limit) bytes expected")
            }
            if count > 0 {
                produced += Int64(count)
                try output(UnsafeRawBufferPointer(rebasing: piece[..<count]).bytes)
            }
            let left = Int(stream.pointee.avail_in)
            if code == Z_STREAM_END {
                isAtEnd = true
                return input.count - left
            }
            // zlib stops for lack of room or of input only; without room it may hold more output back.
            if stream.pointee.avail_out > 0 {
                guard left == 0 else { throw failure(code) }
                return input.count
            }
        }
    }

    private func failure(_ code: Int32) -> CASError {
        switch code {
        case Z_MEM_ERROR:
            return CASError(.system, "zlib finds no memory to inflate", errno: .noMemory)
        case Z_NEED_DICT:
            return CASError(.corruptStream, "the zlib stream wants a dictionary, which no object has")
        default:
            let reason = stream.pointee.msg.map { String(cString: $0) } ?? "code \(code)"
            return CASError(.corruptStream, "the zlib stream is damaged after \(produced) plain bytes (\(reason))")
        }
    }

    private static func trailing(_ count: Int) -> CASError {
        CASError(.corruptStream, "the zlib stream is followed by \(count) bytes or more that do not belong to it")
    }
}

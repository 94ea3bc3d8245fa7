import CZlib

/// What zlib itself makes of some bytes, by the functions that need no state of ours.
enum ZlibReference {
    /// The stream of `compress2` at the default level.
    static func compress(_ plain: [UInt8]) -> [UInt8] {
        var length = compressBound(UInt(plain.count))
        let stream = [UInt8](unsafeUninitializedCapacity: Int(length)) { buffer, count in
            let code = compress2(buffer.baseAddress, &length, plain, UInt(plain.count), Z_DEFAULT_COMPRESSION)
            precondition(code == Z_OK)
            count = Int(length)
        }
        return stream
    }

    /// A valid stream of so many zero MiB, of 1 KiB for each: one block, flushed to a whole byte, again and again.
    static func zeros(mebibytes: Int) -> [UInt8] {
        let mebibyte = [UInt8](repeating: 0, count: 1 << 20)
        var stream = z_stream()
        precondition(
            deflateInit2_(&stream, 9, Z_DEFLATED, -15, 9, 0, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK)
        defer { deflateEnd(&stream) }
        let block = [UInt8](unsafeUninitializedCapacity: 1 << 16) { buffer, count in
            mebibyte.withUnsafeBufferPointer { input in
                stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
                stream.avail_in = UInt32(input.count)
                stream.next_out = buffer.baseAddress
                stream.avail_out = UInt32(buffer.count)
                precondition(deflate(&stream, Z_FULL_FLUSH) == Z_OK && stream.avail_out > 0)
                count = buffer.count - Int(stream.avail_out)
            }
        }
        var bomb: [UInt8] = [0x78, 0xDA]
        for _ in 0..<mebibytes { bomb += block }
        // An empty last block, and the Adler-32 of zeros: 1 in the low half, their number in the high one.
        bomb += [0x03, 0x00]
        let adler = UInt32((mebibytes << 20) % 65521) << 16 | 1
        bomb += withUnsafeBytes(of: adler.bigEndian) { Array($0) }
        return bomb
    }
}

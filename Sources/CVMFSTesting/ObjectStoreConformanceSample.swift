public import CASCore

/// An object made for a test: its name, its bytes as stored, and its content.
public struct SampleObject: Sendable, CustomStringConvertible {
    public let id: ObjectID
    /// What a server would send.
    public let stored: [UInt8]
    /// What a store must give.
    public let plain: [UInt8]

    /// An object of a given size with content that depends on the seed alone.
    public init(
        size: Int, seed: UInt64, algorithm: HashAlgorithm = .sha1, compression: Compression = .zlib,
        kind: ObjectKind = .file
    ) {
        self.init(
            plain: Self.content(size: size, seed: seed), algorithm: algorithm, compression: compression, kind: kind)
    }

    /// An object that is known already.
    public init(id: ObjectID, stored: [UInt8], plain: [UInt8]) {
        self.id = id
        self.stored = stored
        self.plain = plain
    }

    public init(
        plain: [UInt8], algorithm: HashAlgorithm = .sha1, compression: Compression = .zlib, kind: ObjectKind = .file
    ) {
        self.plain = plain
        let stored = compression == .zlib ? Self.zlibStream(of: plain) : plain
        self.stored = stored
        id = ObjectID(
            ContentHash(hashing: stored.span.bytes, with: algorithm), kind: kind, compression: compression)
    }

    public var description: String {
        "an object of \(plain.count) bytes (\(id.compression), \(id.hash.algorithm.name))"
    }

    /// Streams the bytes as a transport would, in pieces.
    public func send(to sink: any ByteSink, pieceSize: Int = 16_000) throws {
        try sink.restart(expectedLength: stored.count)
        try SampleObject.write(stored, to: sink, pieceSize: pieceSize)
        try sink.finish()
    }

    static func write(_ bytes: [UInt8], to sink: any ByteSink, pieceSize: Int = 16_000) throws {
        for start in stride(from: 0, to: bytes.count, by: pieceSize) {
            let piece = Array(bytes[start..<min(start + pieceSize, bytes.count)])
            try sink.write(piece.span.bytes)
        }
    }

    /// Bytes from a seed (SplitMix64).
    public static func content(size: Int, seed: UInt64) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            var state = seed
            for start in stride(from: 0, to: size, by: 8) {
                state &+= 0x9E37_79B9_7F4A_7C15
                var word = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
                word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
                word ^= word >> 31
                for offset in start..<min(start + 8, size) {
                    buffer[offset] = UInt8(truncatingIfNeeded: word)
                    word >>= 8
                }
            }
            count = size
        }
    }

    /// A zlib stream that holds the bytes as they are, in blocks "stored".
    private static func zlibStream(of plain: [UInt8]) -> [UInt8] {
        var stream: [UInt8] = [0x78, 0x01]
        stream.reserveCapacity(plain.count + plain.count / 65_535 * 5 + 16)
        var start = 0
        repeat {
            let end = min(start + 65_535, plain.count)
            let length = UInt16(end - start)
            stream.append(end == plain.count ? 1 : 0)
            for value in [length, ~length] { stream += [UInt8(value & 255), UInt8(value >> 8)] }
            stream += plain[start..<end]
            start = end
        } while start < plain.count
        var (low, high) = (UInt32(1), UInt32(0))
        for byte in plain {
            low += UInt32(byte)
            if low >= 65_521 { low -= 65_521 }
            high += low
            if high >= 65_521 { high -= 65_521 }
        }
        for value in [high >> 8, high & 255, low >> 8, low & 255] { stream.append(UInt8(value)) }
        return stream
    }
}

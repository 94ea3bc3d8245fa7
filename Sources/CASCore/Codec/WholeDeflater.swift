internal import SystemPackage

#if libdeflate
    internal import CDeflate
#endif

/// Packs content that is wholly in memory.
package enum WholeDeflater {
    #if libdeflate
        /// libdeflate's level: on files of an operating system 5 packs smaller than zlib's default (by 0.7 %) in a third
        /// of its time; 4 packs larger, and 6 takes a seventh longer for another 0.3 %.
        private static let level: Int32 = 5
        private static let compressors = Pool<LibdeflateCompressor>(capacity: Limits.idleCodecs)
    #endif
    private static let deflaters = Pool<ZlibDeflater>(capacity: Limits.idleCodecs)

    /// The content as one zlib stream.
    /// - Throws: `system` when there is no memory, or when this build lacks the library.
    package static func deflate(
        _ plain: UnsafeRawBufferPointer, with kind: DeflaterKind
    ) throws(CASError) -> [UInt8] {
        switch kind {
        case .zlib:
            var deflater = try idleDeflater()
            let packed = try deflater.deflate(plain)
            deflaters.put(deflater)
            return packed
        case .libdeflate:
            #if libdeflate
                let compressor = try idleCompressor()
                let packed = compressor.deflate(plain)
                compressors.put(compressor)
                guard let packed else { throw CASError(.system, "libdeflate finds no room for its output") }
                return packed
            #else
                throw CASError(.system, "this build has no libdeflate; build with the trait, or use zlib")
            #endif
        }
    }

    private static func idleDeflater() throws(CASError) -> ZlibDeflater {
        guard let idle = deflaters.take() else { return ZlibDeflater(try Deflater()) }
        return idle
    }

    #if libdeflate
        private static func idleCompressor() throws(CASError) -> LibdeflateCompressor {
            guard let idle = compressors.take() else { return try LibdeflateCompressor(level: level) }
            return idle
        }
    #endif
}

/// zlib's state for stream after stream.
private struct ZlibDeflater: ~Copyable {
    private var deflater: Deflater

    init(_ deflater: consuming Deflater) { self.deflater = deflater }

    mutating func deflate(_ plain: UnsafeRawBufferPointer) throws(CASError) -> [UInt8] {
        var packed: [UInt8] = []
        packed.reserveCapacity(plain.count / 2 + 64)
        deflater.reset()
        try deflater.update(plain.bytes) { (piece) throws(CASError) in
            piece.withUnsafeBytes { packed.append(contentsOf: $0) }
        }
        try deflater.finish { (piece) throws(CASError) in piece.withUnsafeBytes { packed.append(contentsOf: $0) } }
        return packed
    }
}

#if libdeflate
    private struct LibdeflateCompressor: ~Copyable {
        private let handle: OpaquePointer

        init(level: Int32) throws(CASError) {
            guard let handle = libdeflate_alloc_compressor(level) else {
                throw CASError(.system, "libdeflate cannot start", errno: .noMemory)
            }
            self.handle = handle
        }

        deinit { libdeflate_free_compressor(handle) }

        borrowing func deflate(_ plain: UnsafeRawBufferPointer) -> [UInt8]? {
            let bound = libdeflate_zlib_compress_bound(handle, plain.count)
            let compressor = handle
            let packed = [UInt8](unsafeUninitializedCapacity: bound) { buffer, count in
                count = libdeflate_zlib_compress(
                    compressor, plain.baseAddress, plain.count, buffer.baseAddress, buffer.count)
            }
            return packed.isEmpty ? nil : packed
        }
    }
#endif

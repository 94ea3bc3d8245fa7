#if libdeflate
    internal import CDeflate
    internal import SystemPackage

    /// Unpacks zlib streams that are wholly in memory, with libdeflate.
    ///
    /// Feed it verified bytes only: then what an attacker on the way sends never reaches libdeflate.
    struct WholeInflater: ~Copyable {
        private static let pool = Pool<WholeInflater>(capacity: Limits.idleCodecs)

        /// Unpacks one stream with an idle inflater, or a new one.
        static func inflate(_ stored: RawSpan, into plain: UnsafeMutableRawBufferPointer) throws(CASError) {
            let inflater: WholeInflater
            if let idle = pool.take() { inflater = idle } else { inflater = try WholeInflater() }
            do throws(CASError) {
                try inflater.inflate(stored, into: plain)
            } catch {
                pool.put(inflater)
                throw error
            }
            pool.put(inflater)
        }

        private let handle: OpaquePointer

        init() throws(CASError) {
            guard let handle = libdeflate_alloc_decompressor() else {
                throw CASError(.system, "libdeflate finds no memory to inflate", errno: .noMemory)
            }
            self.handle = handle
        }

        deinit { libdeflate_free_decompressor(handle) }

        /// Unpacks one stream.
        ///
        /// - Parameter plain: gets the content, which must fill it.
        /// - Throws: `corruptStream` when the bytes are not one zlib stream and nothing else, `sizeMismatch` when it
        ///   unpacks to more or less than `plain` holds.
        borrowing func inflate(
            _ stored: RawSpan, into plain: UnsafeMutableRawBufferPointer
        ) throws(CASError) {
            var used = 0
            var produced = 0
            let result = stored.withUnsafeBytes { stored in
                libdeflate_zlib_decompress_ex(
                    handle, stored.baseAddress, stored.count, plain.baseAddress, plain.count, &used, &produced)
            }
            switch result {
            case LIBDEFLATE_SUCCESS: break
            case LIBDEFLATE_INSUFFICIENT_SPACE:
                throw CASError(.sizeMismatch, "the zlib stream unpacks to more than the \(plain.count) bytes expected")
            default:
                throw CASError(.corruptStream, "the zlib stream is damaged or ends too early")
            }
            guard used == stored.byteCount else {
                throw CASError(
                    .corruptStream, "the zlib stream is followed by \(stored.byteCount - used) bytes of something else")
            }
            guard produced == plain.count else {
                throw CASError(
                    .sizeMismatch, "the zlib stream unpacks to \(produced) bytes instead of \(plain.count)")
            }
        }
    }
#endif

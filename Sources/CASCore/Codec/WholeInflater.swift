#if libdeflate
    internal import CDeflate

    /// Unpacks zlib streams that are wholly in memory, with libdeflate.
    ///
    /// Feed it verified bytes only: then what an attacker on the way sends never reaches libdeflate.
    struct WholeInflater: ~Copyable {
        private static let pool = Pool<WholeInflater>(capacity: Limits.idleCodecs)

        private let handle: OpaquePointer

        private init?() {
            guard let handle = libdeflate_alloc_decompressor() else { return nil }
            self.handle = handle
        }

        deinit { libdeflate_free_decompressor(handle) }

        /// Fills `plain` with what the stream unpacks to; false when the bytes are not one stream of just that
        /// content.
        ///
        /// Why it failed is zlib's to say: libdeflate does not tell a stream that is cut short from one that is too
        /// long, and where the two disagree, zlib is what all clients read with.
        static func inflate(_ stored: RawSpan, into plain: UnsafeMutableRawBufferPointer) -> Bool {
            guard let inflater = pool.take() ?? WholeInflater() else { return false }
            let isComplete = inflater.inflate(stored, into: plain)
            pool.put(inflater)
            return isComplete
        }

        private borrowing func inflate(_ stored: RawSpan, into plain: UnsafeMutableRawBufferPointer) -> Bool {
            var used = 0
            var produced = 0
            let result = stored.withUnsafeBytes { stored in
                libdeflate_zlib_decompress_ex(
                    handle, stored.baseAddress, stored.count, plain.baseAddress, plain.count, &used, &produced)
            }
            return result == LIBDEFLATE_SUCCESS && used == stored.byteCount && produced == plain.count
        }
    }
#endif

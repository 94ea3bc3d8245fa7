internal import COpenSSL

/// OpenSSL's stream over memory. Owned here; its pointer is lent to calls and not kept.
struct MemoryBIO: ~Copyable {
    private let bio: OpaquePointer

    /// An empty one, to write to.
    init() {
        guard let bio = BIO_new(BIO_s_mem()) else { preconditionFailure("no memory for a BIO") }
        self.bio = bio
    }

    /// One that reads a copy of some bytes.
    init(reading bytes: [UInt8]) {
        self.init()
        // A memory BIO takes all or has no memory; an empty write is refused and not needed.
        let written = bytes.isEmpty ? 0 : BIO_write(bio, bytes, Int32(clamping: bytes.count))
        precondition(Int(written) == bytes.count, "no memory for a BIO's content")
    }

    deinit { BIO_free(bio) }

    borrowing func withBIO<Result>(_ body: (OpaquePointer) -> Result) -> Result { body(bio) }

    /// What has been written and not read.
    var contents: [UInt8] {
        var start: UnsafeMutablePointer<CChar>?
        let count = BIO_ctrl(bio, BIO_CTRL_INFO, 0, &start)
        guard count > 0, let start else { return [] }
        return Array(UnsafeRawBufferPointer(start: start, count: count))
    }
}

/// Empties this thread's queue of OpenSSL's errors, which would otherwise be blamed on whoever looks next.
/// - Returns: the first of them as text.
@discardableResult
func takeOpenSSLError() -> String? {
    let code = ERR_get_error()
    ERR_clear_error()
    guard code != 0 else { return nil }
    return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
        ERR_error_string_n(code, buffer.baseAddress, buffer.count)
        return buffer.baseAddress.map { String(cString: $0) }
    }
}

internal import COpenSSL

/// Owns an RSA key of OpenSSL's, public or private.
///
/// `@unchecked`: nothing changes a key after it is made. OpenSSL 3 counts references atomically, guards what it caches
/// in a key by the key's own lock, and documents the read-only use of one key by several threads as safe
/// (openssl-threads(7)); each operation here has a context of its own.
struct RSAKeyHandle: ~Copyable, @unchecked Sendable {
    private let key: OpaquePointer

    /// - Parameter der: a SubjectPublicKeyInfo.
    /// - Throws: `SigningError` (`keyMalformed`).
    init(publicKey der: [UInt8]) throws(SigningError) {
        let key = der.withUnsafeBufferPointer { buffer in
            var next = buffer.baseAddress
            return d2i_PUBKEY(nil, &next, buffer.count)
        }
        try self.init(owning: key)
    }

    /// - Parameter der: PKCS#1 or PKCS#8, not encrypted.
    /// - Throws: `SigningError` (`keyMalformed`).
    init(privateKey der: [UInt8]) throws(SigningError) {
        let key = der.withUnsafeBufferPointer { buffer in
            var next = buffer.baseAddress
            return d2i_AutoPrivateKey(nil, &next, buffer.count)
        }
        try self.init(owning: key)
    }

    /// A new pair.
    /// - Throws: `SigningError` (`keyMalformed`) when OpenSSL does not make keys of that size.
    init(generatingBits bits: Int) throws(SigningError) {
        let context = EVP_PKEY_CTX_new_from_name(nil, "RSA", nil)
        defer { EVP_PKEY_CTX_free(context) }
        var key: OpaquePointer?
        if TrustLimits.keyBits.contains(bits), EVP_PKEY_keygen_init(context) == 1,
            EVP_PKEY_CTX_set_rsa_keygen_bits(context, Int32(bits)) == 1
        {
            _ = EVP_PKEY_generate(context, &key)
        }
        guard let key else {
            throw SigningError(.keyMalformed, "no RSA key of \(bits) bits can be made", cause: OpenSSLError.taken())
        }
        self.key = key
    }

    private init(owning key: OpaquePointer?) throws(SigningError) {
        guard let key else {
            throw SigningError(.keyMalformed, "the key is not one that OpenSSL can read", cause: OpenSSLError.taken())
        }
        let problem: String?
        let bits = Int(EVP_PKEY_get_bits(key))
        if EVP_PKEY_is_a(key, "RSA") != 1 {
            problem = "the key is not an RSA key, the only kind that CernVM-FS has"
        } else if !TrustLimits.keyBits.contains(bits) {
            let range = TrustLimits.keyBits
            problem = "the RSA key has \(bits) bits; \(range.lowerBound) to \(range.upperBound) are accepted"
        } else {
            problem = nil
        }
        if let problem {
            EVP_PKEY_free(key)
            throw SigningError(.keyMalformed, problem, cause: OpenSSLError.taken())
        }
        self.key = key
    }

    deinit { EVP_PKEY_free(key) }

    /// Lends the key to a call.
    borrowing func withKey<Result>(_ body: (OpaquePointer) -> Result) -> Result { body(key) }

    /// Bytes of the modulus, and of every signature.
    var modulusByteCount: Int { Int(EVP_PKEY_get_size(key)) }

    /// The public part as a SubjectPublicKeyInfo.
    var publicDER: [UInt8] {
        let count = Int(i2d_PUBKEY(key, nil))
        precondition(count > 0, "OpenSSL cannot write a key that it has read")
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, written in
            var next = buffer.baseAddress
            written = Int(i2d_PUBKEY(key, &next))
        }
    }

    /// The message within a signature's PKCS#1 v1.5 padding of type 1, or `nil` when there is none.
    borrowing func recover(_ signature: [UInt8]) -> [UInt8]? {
        // OpenSSL would take a shorter one as if zeros stood before it.
        let modulusByteCount = modulusByteCount
        guard signature.count == modulusByteCount, let context = EVP_PKEY_CTX_new(key, nil) else { return nil }
        defer {
            EVP_PKEY_CTX_free(context)
            takeOpenSSLError()
        }
        guard EVP_PKEY_verify_recover_init(context) == 1,
            EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1
        else { return nil }
        var message = [UInt8](repeating: 0, count: modulusByteCount)
        var count = message.count
        guard EVP_PKEY_verify_recover(context, &message, &count, signature, signature.count) == 1 else { return nil }
        return Array(message.prefix(count))
    }

    /// The signature of a message as it is, in PKCS#1 v1.5 padding of type 1, or `nil` when the key cannot.
    borrowing func sign(_ message: [UInt8]) -> [UInt8]? {
        guard let context = EVP_PKEY_CTX_new(key, nil) else { return nil }
        defer { EVP_PKEY_CTX_free(context) }
        guard EVP_PKEY_sign_init(context) == 1, EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1 else {
            return nil
        }
        var signature = [UInt8](repeating: 0, count: modulusByteCount)
        var count = signature.count
        guard EVP_PKEY_sign(context, &signature, &count, message, message.count) == 1 else { return nil }
        return Array(signature.prefix(count))
    }
}

/// What OpenSSL says; the cause behind a `SigningError`.
struct OpenSSLError: Error, CustomStringConvertible {
    let description: String

    /// The first error in this thread's queue, which is empty afterwards.
    static func taken() -> OpenSSLError? { takeOpenSSLError().map(OpenSSLError.init(description:)) }
}

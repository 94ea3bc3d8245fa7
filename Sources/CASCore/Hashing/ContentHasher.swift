internal import COpenSSL

/// Computes a content hash piece by piece.
public struct ContentHasher: ~Copyable {
    private let algorithm: HashAlgorithm
    private let context: OpaquePointer

    public init(_ algorithm: HashAlgorithm) {
        self.algorithm = algorithm
        guard let context = EVP_MD_CTX_new() else { preconditionFailure("no memory for a digest context") }
        self.context = context
        let started = EVP_DigestInit_ex2(context, DigestMethod.of(algorithm), nil)
        precondition(started == 1, "OpenSSL refuses to start \(algorithm.name)")
    }

    deinit { EVP_MD_CTX_free(context) }

    public mutating func update(_ bytes: RawSpan) {
        let updated = bytes.withUnsafeBytes { EVP_DigestUpdate(context, $0.baseAddress, $0.count) }
        precondition(updated == 1, "OpenSSL fails in \(algorithm.name)")
    }

    /// The hash of all that was fed; the hasher starts afresh.
    public mutating func finalize() -> ContentHash {
        var digest = (UInt64(0), UInt64(0), UInt64(0))
        return withUnsafeMutableBytes(of: &digest) { buffer in
            let bytes = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)
            let finished =
                algorithm == .shake128
                ? EVP_DigestFinalXOF(context, bytes, HashAlgorithm.digestLength)
                : EVP_DigestFinal_ex(context, bytes, nil)
            precondition(finished == 1, "OpenSSL fails in \(algorithm.name)")
            let restarted = EVP_DigestInit_ex2(context, nil, nil)
            precondition(restarted == 1, "OpenSSL refuses to restart \(algorithm.name)")
            let span = RawSpan(_unsafeBytes: UnsafeRawBufferPointer(buffer)).extracting(
                first: HashAlgorithm.digestLength)
            guard let hash = ContentHash(algorithm: algorithm, digest: span) else {
                fatalError("unreachable: 20 bytes")
            }
            return hash
        }
    }
}

extension ContentHash {
    /// The hash of some bytes.
    public init(hashing bytes: RawSpan, with algorithm: HashAlgorithm) {
        var hasher = ContentHasher(algorithm)
        hasher.update(bytes)
        self = hasher.finalize()
    }
}

/// OpenSSL's methods, looked up once: a look-up costs more than the digest of a small object.
private enum DigestMethod {
    // Immutable after their lazy, thread-safe initialisation, and OpenSSL's methods may be shared by threads.
    nonisolated(unsafe) private static let sha1 = fetch("SHA1")
    nonisolated(unsafe) private static let ripemd160 = fetch("RIPEMD160")
    nonisolated(unsafe) private static let shake128 = fetch("SHAKE128")

    static func of(_ algorithm: HashAlgorithm) -> OpaquePointer {
        switch algorithm {
        case .sha1: sha1
        case .ripemd160: ripemd160
        case .shake128: shake128
        }
    }

    private static func fetch(_ name: String) -> OpaquePointer {
        guard let method = EVP_MD_fetch(nil, name, nil) else { preconditionFailure("this OpenSSL lacks \(name)") }
        return method
    }
}

internal import COpenSSL

/// SHA-1 and RIPEMD-160 by OpenSSL's plain functions, which allocate nothing, are there whatever providers its
/// configuration loads, and take half the time of EVP for a small object. SHAKE-128 has no plain functions.
enum DigestState: ~Copyable {
    case sha1(SHA_CTX)
    case ripemd160(RIPEMD160_CTX)
    case shake128(Shake128)

    init(_ algorithm: HashAlgorithm) {
        switch algorithm {
        case .sha1: self = .sha1(Self.startedSHA1())
        case .ripemd160: self = .ripemd160(Self.startedRIPEMD160())
        case .shake128: self = .shake128(Shake128())
        }
    }

    // The plain functions fail only for a null context; their results are the constant 1.

    private static func startedSHA1() -> SHA_CTX {
        var context = SHA_CTX()
        SHA1_Init(&context)
        return context
    }

    private static func startedRIPEMD160() -> RIPEMD160_CTX {
        var context = RIPEMD160_CTX()
        RIPEMD160_Init(&context)
        return context
    }

    mutating func update(_ bytes: RawSpan) {
        bytes.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress else { return }
            switch consume self {
            case .sha1(var context):
                SHA1_Update(&context, start, bytes.count)
                self = .sha1(context)
            case .ripemd160(var context):
                RIPEMD160_Update(&context, start, bytes.count)
                self = .ripemd160(context)
            case .shake128(let context):
                context.update(start, bytes.count)
                self = .shake128(context)
            }
        }
    }

    mutating func finalize() -> ContentHash {
        // Three words, of which the digest fills the first 20 bytes.
        var words: (UInt64, UInt64, UInt64) = (0, 0, 0)
        return withUnsafeMutableBytes(of: &words) { buffer in
            let digest = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)
            let algorithm: HashAlgorithm
            switch consume self {
            case .sha1(var context):
                SHA1_Final(digest, &context)
                algorithm = .sha1
                self = .sha1(Self.startedSHA1())
            case .ripemd160(var context):
                RIPEMD160_Final(digest, &context)
                algorithm = .ripemd160
                self = .ripemd160(Self.startedRIPEMD160())
            case .shake128(let context):
                context.finish(digest)
                algorithm = .shake128
                self = .shake128(context)
            }
            return ContentHash(algorithm: algorithm, twentyBytes: UnsafeRawBufferPointer(buffer))
        }
    }
}

/// One EVP context for SHAKE-128.
struct Shake128: ~Copyable {
    private let context: OpaquePointer

    init() {
        guard let context = EVP_MD_CTX_new() else { fatalError("no memory for a digest context") }
        self.context = context
        Self.check(EVP_DigestInit_ex2(context, Self.method, nil))
    }

    deinit { EVP_MD_CTX_free(context) }

    func update(_ bytes: UnsafeRawPointer, _ count: Int) { Self.check(EVP_DigestUpdate(context, bytes, count)) }

    func finish(_ digest: UnsafeMutablePointer<UInt8>?) {
        Self.check(EVP_DigestFinalXOF(context, digest, HashAlgorithm.digestLength))
        Self.check(EVP_DigestInit_ex2(context, nil, nil))
    }

    /// Memory apart, none of it depends on input; a wrong digest must not go on.
    private static func check(_ result: Int32) { precondition(result == 1, "OpenSSL fails in SHAKE-128") }

    /// Looked up once, since a look-up costs more than the digest of a small object, and in a library context of our
    /// own: the embedding program's OpenSSL configuration may have replaced the providers of the common one.
    // Immutable after its lazy, thread-safe initialisation, and OpenSSL's methods may be shared by threads.
    nonisolated(unsafe) private static let method: OpaquePointer = {
        guard let method = EVP_MD_fetch(OSSL_LIB_CTX_new(), "SHAKE128", nil) else {
            fatalError("this OpenSSL lacks SHAKE-128")
        }
        return method
    }()
}

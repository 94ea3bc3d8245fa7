internal import COpenSSL

/// SHA-256 of some plain content: what tells contents apart where nothing else is compared, also when somebody has made
/// two contents to look alike. Never part of the format.
package struct StrongDigest: Sendable, Hashable {
    private let words: (UInt64, UInt64, UInt64, UInt64)

    package static let byteCount = 32

    fileprivate init(_ words: (UInt64, UInt64, UInt64, UInt64)) { self.words = words }

    /// The digest of some bytes.
    package init(hashing bytes: UnsafeRawBufferPointer) {
        var hasher = StrongHasher()
        hasher.update(bytes)
        self = hasher.finalize()
    }

    /// The 32 bytes.
    package var bytes: [UInt8] { withUnsafeBytes(of: words) { Array($0) } }

    package static func == (left: Self, right: Self) -> Bool {
        left.words.0 == right.words.0 && left.words.1 == right.words.1 && left.words.2 == right.words.2
            && left.words.3 == right.words.3
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(words.0) }
}

/// Computes a strong digest piece by piece.
package struct StrongHasher: ~Copyable {
    private var context = SHA256_CTX()

    package init() { SHA256_Init(&context) }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress else { return }
        SHA256_Update(&context, start, bytes.count)
    }

    package consuming func finalize() -> StrongDigest {
        var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        withUnsafeMutableBytes(of: &words) { buffer in
            _ = SHA256_Final(buffer.baseAddress?.assumingMemoryBound(to: UInt8.self), &context)
        }
        return StrongDigest(words)
    }
}

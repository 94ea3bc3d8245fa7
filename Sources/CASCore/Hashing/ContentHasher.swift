/// Computes a content hash piece by piece.
public struct ContentHasher: ~Copyable {
    private var state: DigestState

    public init(_ algorithm: HashAlgorithm) { state = DigestState(algorithm) }

    public mutating func update(_ bytes: RawSpan) { state.update(bytes) }

    /// The hash of all that was fed; the hasher starts afresh.
    public mutating func finalize() -> ContentHash { state.finalize() }
}

extension ContentHash {
    /// The hash of some bytes.
    public init(hashing bytes: RawSpan, with algorithm: HashAlgorithm) {
        var hasher = ContentHasher(algorithm)
        hasher.update(bytes)
        self = hasher.finalize()
    }

    /// The hash of some bytes.
    public init(hashing bytes: [UInt8], with algorithm: HashAlgorithm) {
        self.init(hashing: bytes.span.bytes, with: algorithm)
    }
}

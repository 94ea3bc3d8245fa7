/// The name of some content: the hash of an object's bytes as they are stored, that is, after compression.
///
/// A value of 24 bytes without references. Sorts as its text does. Source: format 1.
public struct ContentHash: Sendable, Hashable, Comparable {
    // Big-endian words, so that comparing them compares the digests' bytes.
    private let first: UInt64
    private let second: UInt64
    private let third: UInt32
    public let algorithm: HashAlgorithm

    /// Length of the hexadecimal digits.
    static let digitCount = 2 * HashAlgorithm.digestLength

    /// - Parameter bytes: 20 bytes or more, of which the first 20 count.
    init(algorithm: HashAlgorithm, twentyBytes bytes: UnsafeRawBufferPointer) {
        self.algorithm = algorithm
        first = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self))
        second = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        third = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt32.self))
    }

    /// - Parameters:
    ///   - algorithm: which made the digest.
    ///   - digest: exactly 20 bytes; anything else gives `nil`.
    public init?(algorithm: HashAlgorithm, digest: RawSpan) {
        guard digest.byteCount == HashAlgorithm.digestLength else { return nil }
        self = digest.withUnsafeBytes { ContentHash(algorithm: algorithm, twentyBytes: $0) }
    }

    /// - Parameters:
    ///   - algorithm: which made the digest.
    ///   - digest: exactly 20 bytes; anything else gives `nil`.
    public init?(algorithm: HashAlgorithm, digest: some Collection<UInt8>) {
        self.init(algorithm: algorithm, digest: Array(digest).span.bytes)
    }

    /// Reads the text form: 40 hexadecimal digits (of either case) and the algorithm's suffix.
    ///
    /// Gives `nil` for anything else, also for a kind letter behind it.
    public init?(_ text: some StringProtocol) {
        let parsed = text.utf8.withContiguousStorageIfAvailable { Self(text: UnsafeRawBufferPointer($0)) }
        guard let hash = parsed ?? Array(text.utf8).withUnsafeBytes({ Self(text: $0) }) else { return nil }
        self = hash
    }

    init?(text: UnsafeRawBufferPointer) {
        guard text.count >= Self.digitCount else { return nil }
        let suffix = text[Self.digitCount...]
        guard let algorithm = HashAlgorithm.allCases.first(where: { $0.suffix.utf8.elementsEqual(suffix) }) else {
            return nil
        }
        var words: (UInt64, UInt64, UInt64) = (0, 0, 0)
        let isHexadecimal = withUnsafeMutableBytes(of: &words) { digest in
            for index in 0..<HashAlgorithm.digestLength {
                guard let high = Self.hexValue(text[2 * index]), let low = Self.hexValue(text[2 * index + 1]) else {
                    return false
                }
                digest[index] = high << 4 | low
            }
            return true
        }
        guard isHexadecimal else { return nil }
        self = withUnsafeBytes(of: &words) { Self(algorithm: algorithm, twentyBytes: $0) }
    }

    /// The 20 bytes of the digest.
    public var digest: [UInt8] { withDigest { digest in digest.withUnsafeBytes { Array($0) } } }

    /// Lends the 20 bytes of the digest, without an array.
    package func withDigest<Result>(_ body: (RawSpan) -> Result) -> Result {
        let words = (first.bigEndian, second.bigEndian, (UInt64(third) << 32).bigEndian)
        return withUnsafeBytes(of: words) { buffer in
            body(UnsafeRawBufferPointer(rebasing: buffer[..<HashAlgorithm.digestLength]).bytes)
        }
    }

    /// Writes the 20 bytes of the digest to the start of a buffer that holds as many, without allocating.
    package func copyDigest(to buffer: UnsafeMutableRawBufferPointer) {
        precondition(buffer.count >= HashAlgorithm.digestLength, "the buffer is shorter than a digest")
        buffer.storeBytes(of: first.bigEndian, toByteOffset: 0, as: UInt64.self)
        buffer.storeBytes(of: second.bigEndian, toByteOffset: 8, as: UInt64.self)
        buffer.storeBytes(of: third.bigEndian, toByteOffset: 16, as: UInt32.self)
    }

    /// The 40 lower-case hexadecimal digits, without the algorithm's suffix.
    public var hexadecimal: String { TextWriter.text { $0.append(self) } }

    public static func < (left: Self, right: Self) -> Bool {
        (left.first, left.second, left.third, left.algorithm.rawValue)
            < (right.first, right.second, right.third, right.algorithm.rawValue)
    }

    private static func hexValue(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

extension ContentHash: CustomStringConvertible, LosslessStringConvertible {
    /// The text form: hexadecimal digits and the algorithm's suffix.
    public var description: String {
        TextWriter.text { text in
            text.append(self)
            text.append(algorithm.suffix)
        }
    }
}

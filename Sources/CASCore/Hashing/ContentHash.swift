/// The name of some content: the hash of an object's bytes as they are stored, that is, after compression.
///
/// A value of 24 bytes without references. Sorts as its text does. Source: format 1.
public struct ContentHash: Sendable, Hashable, Comparable {
    public let algorithm: HashAlgorithm
    // Big-endian words, so that comparing them compares the digests' bytes.
    private let first: UInt64
    private let second: UInt64
    private let third: UInt32

    /// - Parameter digest: exactly 20 bytes; anything else gives `nil`.
    public init?(algorithm: HashAlgorithm, digest: RawSpan) {
        guard digest.byteCount == HashAlgorithm.digestLength else { return nil }
        self.algorithm = algorithm
        first = UInt64(bigEndian: digest.unsafeLoadUnaligned(fromByteOffset: 0, as: UInt64.self))
        second = UInt64(bigEndian: digest.unsafeLoadUnaligned(fromByteOffset: 8, as: UInt64.self))
        third = UInt32(bigEndian: digest.unsafeLoadUnaligned(fromByteOffset: 16, as: UInt32.self))
    }

    /// - Parameter digest: exactly 20 bytes; anything else gives `nil`.
    public init?(algorithm: HashAlgorithm, digest: some Collection<UInt8>) {
        self.init(algorithm: algorithm, digest: Array(digest).span.bytes)
    }

    /// Reads the text form: 40 hexadecimal digits (of either case) and the algorithm's suffix.
    ///
    /// Gives `nil` for anything else, also for a kind letter behind it.
    public init?(_ text: some StringProtocol) {
        let bytes = Array(text.utf8)
        guard bytes.count >= 40 else { return nil }
        let suffix = bytes[40...]
        guard let algorithm = HashAlgorithm.allCases.first(where: { $0.suffix.utf8.elementsEqual(suffix) }) else {
            return nil
        }
        var digest: [UInt8] = []
        digest.reserveCapacity(HashAlgorithm.digestLength)
        for index in stride(from: 0, to: 40, by: 2) {
            guard let high = Self.hexValue(bytes[index]), let low = Self.hexValue(bytes[index + 1]) else { return nil }
            digest.append(high << 4 | low)
        }
        self.init(algorithm: algorithm, digest: digest.span.bytes)
    }

    /// The 20 bytes of the digest.
    public var digest: [UInt8] {
        withUnsafeBytes(of: first.bigEndian) { Array($0) } + withUnsafeBytes(of: second.bigEndian) { Array($0) }
            + withUnsafeBytes(of: third.bigEndian) { Array($0) }
    }

    /// The 40 lower-case hexadecimal digits, without the algorithm's suffix.
    public var hexadecimal: String {
        String(unsafeUninitializedCapacity: 40) { buffer in
            var index = 0
            for byte in digest {
                buffer[index] = Self.hexDigit(byte >> 4)
                buffer[index + 1] = Self.hexDigit(byte & 15)
                index += 2
            }
            return index
        }
    }

    public static func < (left: Self, right: Self) -> Bool {
        (left.first, left.second, left.third, left.algorithm.rawValue)
            < (right.first, right.second, right.third, right.algorithm.rawValue)
    }

    private static func hexDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
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
    public var description: String { hexadecimal + algorithm.suffix }
}

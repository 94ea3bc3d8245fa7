public import CASCore

/// The hash of a certificate's DER form, by which whitelists and blacklists name it. Source: format 2.3.
public struct Fingerprint: Sendable, Hashable {
    public let hash: ContentHash

    public init(_ hash: ContentHash) { self.hash = hash }

    /// Reads a line: hexadecimal digits of either case, colons anywhere, the algorithm's suffix when it is not SHA-1,
    /// and after a blank, a tab or `#` a comment.
    ///
    /// Gives `nil` when the line has no fingerprint; so does one that is all zeros, which stands for none.
    public init?(_ line: some StringProtocol) { self.init(line: Array(line.utf8)) }

    init?(line: [UInt8]) {
        let text = line[..<Self.commentStart(of: line)].filter { $0 != ASCII.colon }.map(ASCII.lowercased)
        guard let hash = ContentHash(String(decoding: text, as: UTF8.self)), !hash.isZero else { return nil }
        self.hash = hash
    }

    static func commentStart(of line: [UInt8]) -> Int {
        line.firstIndex { $0 == ASCII.blank || $0 == ASCII.tab || $0 == ASCII.hash } ?? line.endIndex
    }
}

extension Fingerprint: CustomStringConvertible, LosslessStringConvertible {
    /// As whitelists have it: `E7:C1:…:0F`, in upper case, then `-SHAKE128` or `-RMD160`.
    public var description: String {
        let digits = Array(hash.hexadecimal.uppercased())
        let pairs = stride(from: 0, to: digits.count, by: 2).map { String(digits[$0...($0 + 1)]) }
        return pairs.joined(separator: ":") + hash.algorithm.suffix.uppercased()
    }
}

extension ContentHash {
    /// Whether all digits are zero, which the format uses for no hash at all.
    var isZero: Bool { digest.allSatisfy { $0 == 0 } }
}

package import CASCore

/// A SHA-256 digest as images name their parts by. Source: OCI image specification, descriptor digests.
package struct SHA256Digest: Sendable, Hashable, CustomStringConvertible {
    /// 64 lower-case hexadecimal digits.
    package let hexadecimal: String

    /// Reads `sha256:` and 64 lower-case hexadecimal digits; `nil` for anything else.
    package init?(_ text: some StringProtocol) {
        guard text.hasPrefix("sha256:") else { return nil }
        self.init(hexadecimal: text.dropFirst(7))
    }

    /// - Parameter hexadecimal: 64 lower-case digits; anything else gives `nil`.
    package init?(hexadecimal: some StringProtocol) {
        let digits = hexadecimal.utf8
        guard digits.count == 64, digits.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
        else { return nil }
        self.hexadecimal = String(hexadecimal)
    }

    package init(_ digest: StrongDigest) {
        let digits = Array("0123456789abcdef".utf8)
        hexadecimal = String(
            decoding: digest.bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// The digest of some bytes.
    package static func of(_ bytes: [UInt8]) -> SHA256Digest {
        bytes.withUnsafeBytes { SHA256Digest(StrongDigest(hashing: $0)) }
    }

    /// `sha256:` and the digits.
    package var description: String { "sha256:\(hexadecimal)" }
}

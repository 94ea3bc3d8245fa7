/// The public half of a key that signs whitelists, which the reader of a repository has from elsewhere.
///
/// Whoever owns a master key decides which certificates may sign a repository. Source: format 2.1.
public struct MasterKey: Sendable, Hashable {
    let key: RSAPublicKey

    init(key: RSAPublicKey) { self.key = key }

    /// Reads the first public key of a PEM text (`BEGIN PUBLIC KEY`), as the reference does with a file.
    ///
    /// - Throws: `SigningError`: `keyMalformed` when there is none or it is not RSA, `tooLarge`.
    public init(pem text: [UInt8]) throws(SigningError) {
        guard let first = try Self.all(inPEM: text).first else {
            throw SigningError(.keyMalformed, "the text holds no public key in PEM ('BEGIN PUBLIC KEY')")
        }
        self = first
    }

    /// Reads every public key of a PEM text, which may hold several, and other things.
    ///
    /// - Returns: the keys in their order; none when there are none.
    /// - Throws: `SigningError`: `keyMalformed` when a block is damaged or not RSA, `tooLarge`.
    public static func all(inPEM text: [UInt8]) throws(SigningError) -> [MasterKey] {
        guard text.count <= TrustLimits.keyBytes else {
            throw SigningError(.tooLarge, "a file of \(text.count) bytes holds no master keys")
        }
        let (blocks, isDamaged) = PEMBlock.blocks(in: text)
        guard !isDamaged else { throw SigningError(.keyMalformed, "the PEM text of a master key is damaged") }
        var keys: [MasterKey] = []
        for block in blocks where block.label == "PUBLIC KEY" {
            keys.append(MasterKey(key: try RSAPublicKey(der: block.der)))
        }
        return keys
    }

    /// The key in PEM.
    public var pem: [UInt8] { PEMBlock.text(label: "PUBLIC KEY", der: key.der) }
}

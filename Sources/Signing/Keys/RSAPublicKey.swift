/// An RSA key that verifies: a certificate's, or a master key.
final class RSAPublicKey: Sendable, Hashable {
    private let handle: RSAKeyHandle
    /// SubjectPublicKeyInfo.
    let der: [UInt8]

    /// - Throws: `SigningError` (`keyMalformed`).
    init(der: [UInt8]) throws(SigningError) {
        handle = try RSAKeyHandle(publicKey: der)
        self.der = handle.publicDER
    }

    /// The message that was signed, or `nil` when the signature is not this key's.
    func recover(_ signature: [UInt8]) -> [UInt8]? { handle.recover(signature) }

    static func == (left: RSAPublicKey, right: RSAPublicKey) -> Bool { left.der == right.der }

    func hash(into hasher: inout Hasher) { hasher.combine(der) }
}

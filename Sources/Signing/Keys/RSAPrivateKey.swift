internal import COpenSSL

/// An RSA key that signs: a repository's (`NAME.key`) or a master key (`NAME.masterkey`).
///
/// Its memory is wiped when it is released; a PEM text that was read or asked for is the caller's to guard.
/// Source: format 2.1.
package final class RSAPrivateKey: Sendable {
    private let handle: RSAKeyHandle

    /// A new one.
    ///
    /// Takes a tenth of a second or more: not for the cooperative pool.
    /// - Parameter bits: of the modulus; the reference's keys have 2048.
    /// - Throws: `SigningError` (`keyMalformed`) for sizes outside `TrustLimits.keyBits`.
    package init(generatingBits bits: Int = 2048) throws(SigningError) {
        handle = try RSAKeyHandle(generatingBits: bits)
    }

    /// Reads the first private key of a PEM text: PKCS#1 (`RSA PRIVATE KEY`) or PKCS#8 (`PRIVATE KEY`).
    ///
    /// - Throws: `SigningError`: `keyMalformed`, also for an encrypted key, and `tooLarge`.
    package init(pem text: [UInt8]) throws(SigningError) {
        guard text.count <= TrustLimits.keyBytes else {
            throw SigningError(.tooLarge, "a file of \(text.count) bytes is no private key")
        }
        let blocks = PEMBlock.blocks(in: text).blocks
        guard let block = blocks.first(where: { $0.label.hasSuffix("PRIVATE KEY") }) else {
            throw SigningError(.keyMalformed, "the text holds no private key in PEM")
        }
        guard !block.isEncrypted, block.label != "ENCRYPTED PRIVATE KEY" else {
            throw SigningError(.keyMalformed, "the private key is encrypted: decrypt it first (openssl pkey -in FILE)")
        }
        handle = try RSAKeyHandle(privateKey: block.der)
    }

    /// The key in PEM, as the reference writes it (PKCS#1).
    package var pem: [UInt8] {
        let sink = MemoryBIO()
        let written = sink.withBIO { bio in
            handle.withKey { PEM_write_bio_PrivateKey_traditional(bio, $0, nil, nil, 0, nil, nil) }
        }
        precondition(written == 1, "OpenSSL cannot write a key that it has")
        return sink.contents
    }

    /// The public part, as a master key (`NAME.pub`).
    package var masterKey: MasterKey {
        get throws(SigningError) { MasterKey(key: try RSAPublicKey(der: handle.publicDER)) }
    }

    /// Pads a message and signs it as it is.
    /// - Throws: `SigningError` (`cannotSign`) when the message is too long for the key.
    func sign(_ message: [UInt8]) throws(SigningError) -> [UInt8] {
        guard let signature = handle.sign(message) else {
            throw SigningError(.cannotSign, "the key cannot sign \(message.count) bytes", cause: OpenSSLError.taken())
        }
        return signature
    }

    /// Lends the key to a call.
    func withKey<Result>(_ body: (OpaquePointer) -> Result) -> Result { handle.withKey(body) }
}

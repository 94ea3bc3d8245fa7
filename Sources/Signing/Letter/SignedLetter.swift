public import CASCore

/// A text with its hash and a signature of that hash: the form of manifests and whitelists.
///
/// The text, which ends with a newline, then `--`, then the text's hash as text, then the signature in binary to the
/// end. What is signed is the hash's *text*, by an RSA key; a manifest and a whitelist differ in how.
///
/// A letter has been taken apart and its hash compared; whether its signature is anyone's is another question.
/// Source: format 2.1.
public struct SignedLetter: Sendable, Hashable {
    /// What a letter is; decides its bound and how it is signed.
    public enum Kind: Sendable, Hashable, CaseIterable {
        /// Signed by the repository certificate's key, PKCS#1 v1.5 with SHA-1 (whatever algorithm the hash has).
        case manifest
        /// Signed by a master key, with the text itself in the PKCS#1 v1.5 padding and no digest named.
        case whitelist
    }

    public let kind: Kind
    /// The text up to and including the newline before `--`.
    public let payload: [UInt8]
    /// The hash of the payload.
    public let hash: ContentHash
    /// As many bytes as the signer's modulus has.
    public let signature: [UInt8]

    /// Takes a letter apart and compares its hash.
    ///
    /// - Parameters:
    ///   - bytes: the whole file.
    ///   - kind: what it is to be; the bytes do not say.
    /// - Throws: `SigningError` when there are too many bytes, when a part is missing, and when the hash is not that of
    ///   the text.
    public init(parsing bytes: [UInt8], as kind: Kind) throws(SigningError) {
        guard bytes.count <= kind.byteLimit else {
            throw SigningError(
                .tooLarge, "the \(kind.noun) has \(bytes.count) bytes, more than \(kind.byteLimit) is never read")
        }
        guard let payloadEnd = Self.payloadEnd(of: bytes) else {
            throw SigningError(
                kind.malformed, "the \(kind.noun) has no line '--' before a signature; is the server's file complete?")
        }
        let trailer = bytes[(payloadEnd + Self.separatorLine.count)...]
        guard let hashEnd = trailer.firstIndex(of: ASCII.newline) else {
            throw SigningError(kind.malformed, "the \(kind.noun) ends within its hash; is the server's file complete?")
        }
        let hashText = trailer[..<hashEnd]
        guard let claimed = ContentHash(String(decoding: hashText, as: UTF8.self)) else {
            throw SigningError(kind.malformed, "the \(kind.noun)'s trailer has no hash but \(quoted(hashText))")
        }
        let payload = Array(bytes[..<payloadEnd])
        let hash = ContentHash(hashing: payload.span.bytes, with: claimed.algorithm)
        // Byte by byte, since the text itself is what was signed: upper case would be another text.
        guard hash.description.utf8.elementsEqual(hashText) else {
            throw SigningError(
                kind.hashMismatch,
                "the \(kind.noun) says that its hash is \(claimed) but it is \(hash): damaged on the way, or altered")
        }
        self.kind = kind
        self.payload = payload
        self.hash = hash
        signature = Array(trailer[(hashEnd + 1)...])
    }

    /// Signs a text.
    ///
    /// - Parameters:
    ///   - payload: must end with a newline and hold no line `--`.
    ///   - algorithm: of the text's hash.
    /// - Throws: `SigningError` (`cannotSign`) when the text cannot be a letter's, or the key is too short.
    package init(
        signing payload: [UInt8], as kind: Kind, algorithm: HashAlgorithm, with key: RSAPrivateKey
    ) throws(SigningError) {
        guard payload.last == ASCII.newline, !payload.starts(with: Self.separatorLine),
            Self.payloadEnd(of: payload) == nil
        else {
            throw SigningError(.cannotSign, "a \(kind.noun)'s text must end with a newline and hold no line '--'")
        }
        self.kind = kind
        self.payload = payload
        hash = ContentHash(hashing: payload.span.bytes, with: algorithm)
        signature = try key.sign(kind.message(signing: hash))
    }

    /// The letter as a file.
    public var serialized: [UInt8] {
        payload + Self.separatorLine + Array(hash.description.utf8) + [ASCII.newline] + signature
    }

    /// Whether the signature is the key's.
    func isSigned(by key: RSAPublicKey) -> Bool { key.recover(signature) == kind.message(signing: hash) }

    /// Whether the signature is that of one of the keys.
    package func isSigned(byAnyOf keys: [MasterKey]) -> Bool { keys.contains { isSigned(by: $0.key) } }

    private static let separatorLine: [UInt8] = [ASCII.dash, ASCII.dash, ASCII.newline]

    /// Where the text ends: behind the newline before the first line `--`, which is not the file's first.
    static func payloadEnd(of bytes: [UInt8]) -> Int? {
        var from = bytes.startIndex
        while let newline = bytes[from...].firstIndex(of: ASCII.newline) {
            if bytes[(newline + 1)...].starts(with: separatorLine) { return newline + 1 }
            from = newline + 1
        }
        return nil
    }
}

extension SignedLetter.Kind {
    var noun: String { self == .manifest ? "manifest" : "whitelist" }
    var byteLimit: Int { self == .manifest ? TrustLimits.manifestBytes : TrustLimits.whitelistBytes }
    var malformed: SigningError.Code { self == .manifest ? .manifestMalformed : .whitelistMalformed }
    var hashMismatch: SigningError.Code { self == .manifest ? .manifestHashMismatch : .whitelistHashMismatch }

    /// What the RSA padding is put around.
    ///
    /// For a manifest that is a DigestInfo, made here: some distributions forbid OpenSSL to verify any signature with
    /// SHA-1, and the format knows no other.
    fileprivate func message(signing hash: ContentHash) -> [UInt8] {
        let text = Array(hash.description.utf8)
        switch self {
        case .whitelist: return text
        case .manifest: return Self.sha1DigestInfo + ContentHash(hashing: text.span.bytes, with: .sha1).digest
        }
    }

    /// RFC 8017, 9.2: the DER of a DigestInfo for SHA-1, up to the digest.
    private static let sha1DigestInfo: [UInt8] = [
        0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2B, 0x0E, 0x03, 0x02, 0x1A, 0x05, 0x00, 0x04, 0x14,
    ]
}

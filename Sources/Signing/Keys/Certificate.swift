public import CASCore
internal import COpenSSL

/// The X.509 certificate whose key signs a repository's manifests.
///
/// CernVM-FS uses it as a vessel of a key: what counts is its fingerprint on the whitelist. Its issuer, its own
/// signature and its dates of validity are not looked at, here as in the reference. Source: format 2.1, 2.3.
public struct Certificate: Sendable, Hashable {
    /// The certificate in DER.
    public let der: [UInt8]
    /// Whom it names, in the form of RFC 2253: `CN=demo.example.org CernVM-FS Release Managers`.
    public let subject: String
    /// The first moment of its own validity, which nothing here depends on.
    public let notBefore: UnixTime
    /// The last moment of its own validity, which nothing here depends on.
    public let notAfter: UnixTime

    let publicKey: RSAPublicKey

    /// Reads the first certificate of a PEM text: a certificate object (`X`) unpacked, or a file `NAME.crt`.
    ///
    /// - Throws: `SigningError`: `certificateMalformed` when there is none, or its key is not RSA; `tooLarge`.
    public init(pem text: [UInt8]) throws(SigningError) {
        guard text.count <= TrustLimits.certificateBytes else {
            throw SigningError(
                .tooLarge,
                "a certificate of \(text.count) bytes; more than \(TrustLimits.certificateBytes) is never read")
        }
        let blocks = PEMBlock.blocks(in: text).blocks
        guard let block = blocks.first(where: { Self.labels.contains($0.label) && !$0.isEncrypted }) else {
            throw SigningError(.certificateMalformed, "the text holds no certificate in PEM ('BEGIN CERTIFICATE')")
        }
        try self.init(X509Handle(der: block.der))
    }

    /// What OpenSSL, and so the reference, takes as a certificate.
    private static let labels: Set<String> = ["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"]

    private init(_ certificate: borrowing X509Handle) throws(SigningError) {
        der = certificate.der
        subject = certificate.subject
        guard let notBefore = certificate.notBefore, let notAfter = certificate.notAfter else {
            throw SigningError(.certificateMalformed, "the certificate of '\(subject)' has no dates of validity")
        }
        self.notBefore = notBefore
        self.notAfter = notAfter
        do throws(SigningError) {
            publicKey = try RSAPublicKey(der: certificate.publicKeyDER)
        } catch {
            throw SigningError(
                .certificateMalformed, "the certificate of '\(subject)' cannot be used: \(error.message)", cause: error)
        }
    }

    /// The hash of the DER, which whitelists and blacklists name the certificate by.
    public func fingerprint(_ algorithm: HashAlgorithm) -> Fingerprint {
        Fingerprint(ContentHash(hashing: der.span.bytes, with: algorithm))
    }

    /// By every algorithm, since each entry of a list chooses its own.
    var fingerprints: [Fingerprint] { HashAlgorithm.allCases.map(fingerprint) }

    /// The certificate in PEM.
    public var pem: [UInt8] { PEMBlock.text(label: "CERTIFICATE", der: der) }

    /// Whether it is the certificate of this key's public part.
    package func belongs(to key: RSAPrivateKey) -> Bool { (try? key.masterKey.key) == publicKey }

    /// Makes a certificate that vouches for itself, as repositories have it.
    ///
    /// - Parameters:
    ///   - commonName: whom it names; the reference writes `NAME CernVM-FS Release Managers`. At most 64 characters.
    ///   - serial: any number that the certificate's owner has not used before.
    /// - Throws: `SigningError` (`cannotSign`) when OpenSSL refuses the name or the dates.
    package static func selfSigned(
        commonName: String, key: RSAPrivateKey, notBefore: UnixTime, notAfter: UnixTime,
        serial: UInt64 = .random(in: 1...UInt64(Int64.max))
    ) throws(SigningError) -> Certificate {
        try Certificate(
            X509Handle(
                selfSigned: commonName, key: key, notBefore: notBefore, notAfter: notAfter, serial: serial))
    }
}

/// Owns a certificate of OpenSSL's.
private struct X509Handle: ~Copyable {
    private let certificate: OpaquePointer

    init(der: [UInt8]) throws(SigningError) {
        let certificate = der.withUnsafeBufferPointer { buffer in
            var next = buffer.baseAddress
            return d2i_X509(nil, &next, buffer.count)
        }
        guard let certificate else {
            throw SigningError(
                .certificateMalformed, "the certificate is not one that OpenSSL can read", cause: OpenSSLError.taken())
        }
        self.certificate = certificate
    }

    init(
        selfSigned commonName: String, key: RSAPrivateKey, notBefore: UnixTime, notAfter: UnixTime, serial: UInt64
    ) throws(SigningError) {
        guard let certificate = X509_new() else { preconditionFailure("no memory for a certificate") }
        self.certificate = certificate
        let name = X509_get_subject_name(certificate)
        let text = Array(commonName.utf8)
        // Version 3 is written as 2.
        let isMade =
            X509_set_version(certificate, 2) == 1
            && ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial) == 1
            && ASN1_TIME_set(X509_getm_notBefore(certificate), time_t(notBefore.seconds)) != nil
            && ASN1_TIME_set(X509_getm_notAfter(certificate), time_t(notAfter.seconds)) != nil
            && X509_NAME_add_entry_by_txt(
                name, "CN", MBSTRING_FLAG, text, Int32(clamping: text.count), -1, 0) == 1
            && X509_set_issuer_name(certificate, name) == 1
            && key.withKey {
                X509_set_pubkey(certificate, $0) == 1 && X509_sign(certificate, $0, EVP_sha256()) > 0
            }
        guard isMade else {
            throw SigningError(
                .cannotSign, "no certificate can be made for \(quoted(text))", cause: OpenSSLError.taken())
        }
    }

    deinit { X509_free(certificate) }

    var der: [UInt8] {
        let count = Int(i2d_X509(certificate, nil))
        precondition(count > 0, "OpenSSL cannot write a certificate that it has")
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, written in
            var next = buffer.baseAddress
            written = Int(i2d_X509(certificate, &next))
        }
    }

    var publicKeyDER: [UInt8] {
        let info = X509_get_X509_PUBKEY(certificate)
        let count = Int(i2d_X509_PUBKEY(info, nil))
        guard count > 0 else { return [] }
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, written in
            var next = buffer.baseAddress
            written = Int(i2d_X509_PUBKEY(info, &next))
        }
    }

    var subject: String {
        let sink = MemoryBIO()
        let written = sink.withBIO {
            X509_NAME_print_ex($0, X509_get_subject_name(certificate), 0, copenssl_name_flags)
        }
        takeOpenSSLError()
        return written < 0 ? "" : String(decoding: sink.contents, as: UTF8.self)
    }

    var notBefore: UnixTime? { Self.time(X509_get0_notBefore(certificate)) }
    var notAfter: UnixTime? { Self.time(X509_get0_notAfter(certificate)) }

    private static func time(_ value: UnsafePointer<ASN1_TIME>?) -> UnixTime? {
        var parts = tm()
        defer { takeOpenSSLError() }
        // Without a value OpenSSL would read the clock.
        guard let value, ASN1_TIME_to_tm(value, &parts) == 1 else { return nil }
        let date = CivilDate(
            year: Int64(parts.tm_year) + 1900, month: Int64(parts.tm_mon) + 1, day: Int64(parts.tm_mday),
            hour: Int64(parts.tm_hour), minute: Int64(parts.tm_min), second: Int64(parts.tm_sec))
        return date.time
    }
}

internal import CVMFS
internal import Glibc
internal import Signing
internal import SystemPackage

// New keys beside those in use. What is replaced stays in the folder, under the name with `.old-` and a fingerprint.

extension KeyFolder {
    private func next(_ part: Part) -> FilePath { path.appending("\(repository).\(part.rawValue).next") }

    // MARK: The certificate

    /// Makes the next key and certificate, or takes those that an interrupted renewal has left.
    func prepareNextCertificate(at time: UnixTime, bits: Int) throws -> ManifestSigner {
        if let pem = try LocalFile.read(next(.privateKey), limit: TrustLimits.keyBytes),
            let stored = try LocalFile.read(next(.certificate), limit: TrustLimits.certificateBytes)
        {
            let signer = ManifestSigner(
                certificate: try Certificate(pem: stored), key: try RSAPrivateKey(pem: pem))
            if signer.certificate.belongs(to: signer.key) { return signer }
        }
        let key = try RSAPrivateKey(generatingBits: bits)
        let certificate = try Self.certificate(of: key, for: repository, at: time)
        try write(next(.privateKey), key.pem, isPrivate: true)
        try write(next(.certificate), certificate.pem, isPrivate: false)
        return ManifestSigner(certificate: certificate, key: key)
    }

    /// Puts them in the place of those in use.
    func installNextCertificate() throws {
        let old = try signer().certificate
        try archive(.privateKey, old)
        try archive(.certificate, old)
        // Between the two renames the folder holds the new key and the old certificate; `signer` completes that.
        try rename(next(.privateKey), to: file(.privateKey))
        try rename(next(.certificate), to: file(.certificate))
    }

    /// Ends a renewal that was interrupted between its two renames.
    func completeInterruptedRenewal(key: RSAPrivateKey) throws -> Certificate? {
        guard let pem = try LocalFile.read(next(.certificate), limit: TrustLimits.certificateBytes) else { return nil }
        let certificate = try Certificate(pem: pem)
        guard certificate.belongs(to: key) else { return nil }
        try rename(next(.certificate), to: file(.certificate))
        return certificate
    }

    // MARK: The master key

    /// Makes the next master key, unless there is one.
    /// - Returns: its public part's file.
    func makeNextMasterKey(bits: Int) throws -> FilePath {
        let key: RSAPrivateKey
        if let pem = try LocalFile.read(next(.privateMasterKey), limit: TrustLimits.keyBytes) {
            key = try RSAPrivateKey(pem: pem)
        } else {
            key = try RSAPrivateKey(generatingBits: bits)
            try write(next(.privateMasterKey), key.pem, isPrivate: true)
        }
        try write(next(.masterKey), key.masterKey.pem, isPrivate: false)
        return next(.masterKey)
    }

    func nextMasterKey() throws -> RSAPrivateKey {
        guard let pem = try LocalFile.read(next(.privateMasterKey), limit: TrustLimits.keyBytes) else {
            throw PublishingError(
                .keys,
                "there is no new master key \(next(.privateMasterKey)): make it first, and give its public part to all readers"
            )
        }
        return try RSAPrivateKey(pem: pem)
    }

    /// Puts it in the place of the one in use. The old public part stays valid for what it has signed.
    func installNextMasterKey() throws {
        let old = try signer().certificate
        let key = try nextMasterKey()
        try archive(.privateMasterKey, old)
        try archive(.masterKey, old)
        try write(file(.masterKey), key.masterKey.pem, isPrivate: false)
        try rename(next(.privateMasterKey), to: file(.privateMasterKey))
        _ = next(.masterKey).withPlatformString { unlink($0) }
    }

    // MARK: Files

    /// Keeps what is in use under another name too.
    private func archive(_ part: Part, _ certificate: Certificate) throws {
        let mark = certificate.fingerprint(.sha1).hash.hexadecimal.prefix(8)
        var name = path.appending("\(repository).\(part.rawValue).old-\(mark)")
        var number = 1
        while file(part).withPlatformString({ from in name.withPlatformString { link(from, $0) } }) != 0 {
            guard errno == EEXIST, number < 100 else {
                throw PublishingError(.keys, "\(name) cannot be made", cause: Errno(rawValue: errno))
            }
            number += 1
            name = path.appending("\(repository).\(part.rawValue).old-\(mark)-\(number)")
        }
    }

    private func write(_ file: FilePath, _ content: [UInt8], isPrivate: Bool) throws {
        do {
            let mode: FilePermissions = isPrivate ? .ownerReadWrite : [.ownerReadWrite, .groupRead, .otherRead]
            try LocalFile.replace(file, with: content, mode: mode)
        } catch {
            throw PublishingError(.keys, "\(file) cannot be written", cause: error)
        }
    }

    private func rename(_ from: FilePath, to: FilePath) throws {
        let result = from.withPlatformString { from in to.withPlatformString { Glibc.rename(from, $0) } }
        guard result == 0 else {
            throw PublishingError(.keys, "\(to) cannot be replaced", cause: Errno(rawValue: errno))
        }
    }
}

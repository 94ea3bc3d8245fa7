internal import CPlatform
internal import CVMFS
internal import Glibc
package import Signing
package import SystemPackage

/// The folder with a publisher's keys, by the names that the reference gives them: `NAME.pub` and `NAME.masterkey`, which
/// sign whitelists, `NAME.crt` and `NAME.key`, which sign manifests. Source: format 2.1.
///
/// Nothing that is there is ever overwritten.
package struct KeyFolder: Sendable {
    package let path: FilePath
    package let repository: String

    /// - Throws: `keys` when the folder is the storage's, or in it: what is there is served to everybody.
    package init(at path: FilePath, repository: String, storage: FilePath) throws {
        self.path = path
        self.repository = try RepositoryName(repository).text
        guard let keys = Self.resolved(path), let served = Self.resolved(storage) else { return }
        guard keys != served, !keys.starts(with: served) else {
            throw PublishingError(
                .keys,
                "private keys must not be at \(path), in the storage \(storage) that is served: choose another folder")
        }
    }

    package enum Part: String, Sendable, CaseIterable {
        case masterKey = "pub"
        case privateMasterKey = "masterkey"
        case certificate = "crt"
        case privateKey = "key"

        var isPrivate: Bool { self == .privateMasterKey || self == .privateKey }
    }

    package func file(_ part: Part) -> FilePath { path.appending("\(repository).\(part.rawValue)") }

    // MARK: Reading

    /// The certificate, and the key that signs with it.
    package func signer() throws -> ManifestSigner {
        let certificate = try Certificate(pem: required(.certificate))
        let key = try RSAPrivateKey(pem: required(.privateKey))
        if certificate.belongs(to: key) { return ManifestSigner(certificate: certificate, key: key) }
        if let next = try completeInterruptedRenewal(key: key) { return ManifestSigner(certificate: next, key: key) }
        throw PublishingError(.keys, "\(file(.privateKey)) is not the key of \(file(.certificate))")
    }

    /// The key that signs whitelists.
    package func privateMasterKey() throws -> RSAPrivateKey { try RSAPrivateKey(pem: required(.privateMasterKey)) }

    /// The public master keys, of which one must have signed the whitelist.
    package func masterKeys() throws -> [MasterKey] {
        let keys = try MasterKey.all(inPEM: required(.masterKey))
        guard !keys.isEmpty else { throw PublishingError(.keys, "\(file(.masterKey)) holds no public key") }
        return keys
    }

    /// What is wrong with the modes of the private keys; a line for each.
    package func warnings() -> [String] {
        Part.allCases.filter(\.isPrivate).compactMap { part in
            var status = stat()
            guard file(part).withPlatformString({ stat($0, &status) }) == 0, status.st_mode & 0o077 != 0 else {
                return nil
            }
            let mode = String(status.st_mode & 0o7777, radix: 8)
            return "\(file(part)) is a private key that others can read (mode \(mode)): chmod 600 it"
        }
    }

    private func read(_ part: Part) throws -> [UInt8]? {
        do {
            return try LocalFile.read(file(part), limit: TrustLimits.keyBytes)
        } catch {
            throw PublishingError(.keys, "\(file(part)) cannot be read", cause: error)
        }
    }

    private func required(_ part: Part) throws -> [UInt8] {
        guard let content = try read(part) else {
            throw PublishingError(
                .keys,
                "\(file(part)) is missing: the folder of keys is the one that was given when the repository was made")
        }
        return content
    }

    // MARK: Making

    /// Makes what is missing of the four; what is there must fit together.
    ///
    /// - Parameter time: from which the certificate is valid, for a year; nobody looks at it.
    package func complete(at time: UnixTime, bits: Int = 2048) throws {
        let made = path.withPlatformString { cplatform_make_folders($0) }
        guard made >= 0 else {
            throw PublishingError(.keys, "the folder for keys \(path) cannot be made", cause: Errno(rawValue: -made))
        }
        let master: RSAPrivateKey
        if let pem = try read(.privateMasterKey) {
            master = try RSAPrivateKey(pem: pem)
        } else {
            try mustBeMissing(.masterKey, without: .privateMasterKey)
            master = try RSAPrivateKey(generatingBits: bits)
            try create(.privateMasterKey, master.pem)
        }
        if let pem = try read(.masterKey) {
            guard try MasterKey.all(inPEM: pem).contains(master.masterKey) else {
                throw PublishingError(.keys, "\(file(.masterKey)) is not the public part of \(file(.privateMasterKey))")
            }
        } else {
            try create(.masterKey, master.masterKey.pem)
        }
        if try read(.privateKey) == nil {
            try mustBeMissing(.certificate, without: .privateKey)
            try create(.privateKey, RSAPrivateKey(generatingBits: bits).pem)
        }
        if try read(.certificate) == nil {
            let key = try RSAPrivateKey(pem: required(.privateKey))
            try create(.certificate, Self.certificate(of: key, for: repository, at: time).pem)
        }
        _ = try signer()
    }

    /// A certificate as the reference makes them.
    static func certificate(of key: RSAPrivateKey, for repository: String, at time: UnixTime) throws -> Certificate {
        let name = "\(repository) CernVM-FS Release Managers"
        return try Certificate.selfSigned(
            commonName: name.utf8.count <= 64 ? name : String(repository.prefix(64)), key: key, notBefore: time,
            notAfter: UnixTime(time.seconds + 365 * 86400))
    }

    private func mustBeMissing(_ part: Part, without other: Part) throws {
        guard try read(part) == nil else {
            throw PublishingError(
                .keys,
                "there is \(file(part)) but not \(file(other)) that belongs to it: put it there, or choose another folder"
            )
        }
    }

    /// Writes a file that must not exist, all of it or nothing.
    private func create(_ part: Part, _ content: [UInt8]) throws {
        let target = file(part)
        let temporary = path.appending(".\(repository).\(part.rawValue).\(UInt32.random(in: 0 ... .max))")
        do {
            try LocalFile.replace(
                temporary, with: content,
                mode: part.isPrivate ? .ownerReadWrite : [.ownerReadWrite, .groupRead, .otherRead])
            defer { _ = temporary.withPlatformString { unlink($0) } }
            let isLinked = temporary.withPlatformString { from in target.withPlatformString { link(from, $0) == 0 } }
            guard isLinked else { throw Errno(rawValue: errno) }
        } catch {
            throw PublishingError(.keys, "\(target) cannot be made", cause: error)
        }
    }

    private static func resolved(_ path: FilePath) -> FilePath? {
        // What does not exist yet is where its nearest existing parent leads to.
        var existing = path
        var rest: [FilePath.Component] = []
        while true {
            if let real = existing.withPlatformString({ realpath($0, nil) }) {
                defer { free(real) }
                var result = FilePath(platformString: real)
                for component in rest.reversed() { result.append(component) }
                return result
            }
            guard let last = existing.lastComponent, existing.removeLastComponent() else { return nil }
            rest.append(last)
            if existing.isEmpty { existing = "." }
        }
    }
}

/// Signs manifests.
package struct ManifestSigner: Sendable {
    package let certificate: Certificate
    package let key: RSAPrivateKey

    package init(certificate: Certificate, key: RSAPrivateKey) {
        self.certificate = certificate
        self.key = key
    }
}

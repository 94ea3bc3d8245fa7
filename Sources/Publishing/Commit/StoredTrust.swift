internal import CASCore
internal import Glibc
internal import Signing

/// The chain of trust of a repository in a storage, as its publisher looks at it.
struct StoredTrust {
    let name: String
    let storage: LocalStorage

    /// - Parameters:
    ///   - certificate: the one that will sign.
    ///   - whole: whether the whitelist must be valid too.
    /// - Throws: `untrusted` when the manifest is not what its owner has signed; `keys` when readers would not believe
    ///   what will be signed.
    func verify(
        _ signed: SignedManifest, keys: KeyFolder, certificate: Certificate, whole: Bool, at time: UnixTime
    ) throws {
        guard signed.manifest.name == name else {
            throw PublishingError(
                .noRepository,
                "\(storage.path) holds \(signed.manifest.name ?? "a repository without a name"), not \(name)")
        }
        guard whole else { return }
        guard let whitelist = try storage.read(RootFile.whitelist, limit: TrustLimits.whitelistBytes) else {
            throw PublishingError(.keys, "\(storage.path) has no whitelist: make one with cvmfs resign")
        }
        guard let object = signed.manifest.certificateObject,
            let stored = try storage.stored(object, limit: TrustLimits.certificateBytes)
        else { throw PublishingError(.corrupt, "the certificate of \(name) is not in \(storage.path)") }
        let pem = try object.unpack(stored, size: .atMost(Int64(TrustLimits.certificateBytes)))
        do {
            let trusted = try TrustChain(masterKeys: keys.masterKeys()).verify(
                manifest: signed.file, whitelist: whitelist, certificate: pem, name: name, at: time)
            guard trusted.whitelist?.entry(for: certificate) != nil else {
                throw PublishingError(
                    .keys,
                    "the certificate \(keys.file(.certificate)) is not on the whitelist of \(name): put it there with cvmfs resign --certificate"
                )
            }
        } catch let error as SigningError {
            let renews = error.code == .whitelistExpired ? " (renew it with cvmfs resign)" : ""
            throw PublishingError(
                .keys, "readers do not believe what \(storage.path) holds\(renews)", cause: error)
        }
    }
}

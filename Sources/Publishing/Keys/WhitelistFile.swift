internal import CASCore
internal import Signing

/// Makes a repository's whitelist. Source: format 2.3.
package struct WhitelistFile {
    let repository: String
    let storage: LocalStorage

    /// Whether a whitelist may be good for so long.
    package static func check(days: Int) throws(PublishingError) {
        guard 1...PublishingLimits.whitelistDays ~= days else {
            throw PublishingError(
                .invalidArgument, "a whitelist is good for 1 to \(PublishingLimits.whitelistDays) days, not \(days)")
        }
    }

    /// Writes a whitelist that lists some certificates, signed by a master key.
    func write(
        _ entries: [Whitelist.Entry], algorithm: HashAlgorithm, signedBy master: RSAPrivateKey, at time: UnixTime,
        days: Int
    ) throws {
        let whitelist = Whitelist(
            issued: time, expires: UnixTime(time.seconds + Int64(days) * 86400), name: repository, entries: entries)
        let letter = try SignedLetter(
            signing: whitelist.serialized(), as: .whitelist, algorithm: algorithm, with: master)
        try storage.replace(RootFile.whitelist, with: letter.serialized)
    }

    /// The entries of the one that is there; none when no key of these has signed it.
    func entries(signedBy keys: [MasterKey]) throws -> [Whitelist.Entry] {
        guard let bytes = try storage.read(RootFile.whitelist, limit: TrustLimits.whitelistBytes),
            let letter = try? SignedLetter(parsing: bytes, as: .whitelist), letter.isSigned(byAnyOf: keys)
        else { return [] }
        return try Whitelist(unverified: bytes).entries
    }

    /// The one that is there, whoever has signed it; `nil` when there is none.
    func read() throws -> Whitelist? {
        guard let bytes = try storage.read(RootFile.whitelist, limit: TrustLimits.whitelistBytes) else { return nil }
        return try Whitelist(unverified: bytes)
    }
}

public import CASCore
public import Signing
public import SystemPackage

/// Whom to believe about a repository.
public struct RepositoryTrust: Sendable {
    enum Kind: Sendable {
        case keys([MasterKey])
        case keyFiles([FilePath])
        case policy(any TrustPolicy)
        case root(ContentHash)
    }

    let kind: Kind

    /// Any of the master public keys in a PEM file, or in the `*.pub` files of a folder.
    public static func masterKeys(in path: FilePath) -> RepositoryTrust { masterKeys(in: [path]) }

    /// Any of the master public keys in several files and folders.
    public static func masterKeys(in paths: [FilePath]) -> RepositoryTrust {
        RepositoryTrust(kind: .keyFiles(paths))
    }

    /// Any of these master public keys.
    public static func masterKeys(_ keys: [MasterKey]) -> RepositoryTrust { RepositoryTrust(kind: .keys(keys)) }

    /// A policy of `Signing`, such as a pinned certificate or a blacklist.
    public static func policy(_ policy: any TrustPolicy) -> RepositoryTrust { RepositoryTrust(kind: .policy(policy)) }

    /// The one certificate that has this fingerprint, whatever a whitelist says: neither key nor whitelist is needed.
    public static func certificate(_ fingerprint: Fingerprint) -> RepositoryTrust {
        policy(PinnedCertificatePolicy(fingerprint))
    }

    /// Nobody, but for one root catalog that is named by its hash; that is then the repository's newest state.
    public static func rootHash(_ hash: ContentHash) -> RepositoryTrust { RepositoryTrust(kind: .root(hash)) }
}

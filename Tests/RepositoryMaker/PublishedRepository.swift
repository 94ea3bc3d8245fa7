package import CASCore
package import Signing

/// What was published, in pieces that a test can change and sign again.
package struct PublishedRepository: Sendable {
    package let folder: ObjectFolder
    /// Who signs; another publisher's may be put here.
    package var keys: RepositoryKeys
    package let root: MadeCatalog
    /// All catalogs by the paths where they begin.
    package let catalogs: [RepositoryPath: MadeCatalog]
    package var manifest: Manifest
    package var whitelist: Whitelist

    init(
        folder: ObjectFolder, keys: RepositoryKeys, root: MadeCatalog, catalogs: [RepositoryPath: MadeCatalog],
        manifest: Manifest, whitelist: Whitelist
    ) {
        self.folder = folder
        self.keys = keys
        self.root = root
        self.catalogs = catalogs
        self.manifest = manifest
        self.whitelist = whitelist
    }

    package var masterKeyPEM: [UInt8] {
        get throws { try keys.masterKeyPEM }
    }

    /// The manifest as a file, signed.
    package func signedManifest() throws -> [UInt8] {
        try SignedLetter(
            signing: manifest.serialized(), as: .manifest, algorithm: folder.algorithm, with: keys.publisher
        ).serialized
    }

    /// The whitelist as a file, signed.
    package func signedWhitelist() throws -> [UInt8] {
        try SignedLetter(
            signing: whitelist.serialized(), as: .whitelist, algorithm: folder.algorithm, with: keys.master
        ).serialized
    }

    /// Signs manifest and whitelist as they are now, and writes both.
    package func sign() throws {
        try folder.write(signedManifest(), to: Self.manifestName)
        try folder.write(signedWhitelist(), to: Self.whitelistName)
    }

    /// Makes a file of one's own the root catalog: stores it, names it in the manifest, and signs.
    package mutating func replaceRootCatalog(with file: [UInt8]) throws {
        manifest.rootCatalog = try folder.store(file, kind: .catalog).hash
        manifest.rootCatalogSize = Int64(file.count)
        try sign()
    }

    package static let manifestName = ".cvmfspublished"
    package static let whitelistName = ".cvmfswhitelist"
}

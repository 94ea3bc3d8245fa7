internal import CASCore
internal import Signing
internal import SystemPackage

/// What a repository's folder remembers between runs: the newest manifest that was accepted, so that no older one is
/// taken for new, and what is needed to open the repository when no server answers.
///
/// The breadcrumb is the reference's file; manifest and whitelist are kept beside it as they came.
struct TrustMemory: Sendable {
    private let folder: FilePath
    private let repository: String

    init(folder: FilePath, repository: String) {
        self.folder = folder
        self.repository = repository
    }

    private var breadcrumbPath: FilePath { folder.appending(Breadcrumb.fileName(for: repository)) }
    private var manifestPath: FilePath { folder.appending("cvmfspublished.\(repository)") }
    private var whitelistPath: FilePath { folder.appending("cvmfswhitelist.\(repository)") }

    /// The newest state seen; `nil` when nothing is remembered, or nothing legible.
    func breadcrumb() throws -> Breadcrumb? {
        try read(breadcrumbPath, limit: TrustLimits.breadcrumbBytes).flatMap { Breadcrumb(parsing: $0) }
    }

    /// Manifest and whitelist as they came; the whitelist is empty under a policy that needs none.
    func letters() throws -> (manifest: [UInt8], whitelist: [UInt8])? {
        guard let manifest = try read(manifestPath, limit: TrustLimits.manifestBytes) else { return nil }
        return (manifest, try read(whitelistPath, limit: TrustLimits.whitelistBytes) ?? [])
    }

    /// Remembers a state whose root catalog has been loaded, unless another process has seen a newer one meanwhile.
    func remember(_ trusted: TrustedManifest, manifest: [UInt8], whitelist: [UInt8]) throws {
        guard let new = Breadcrumb(trusted) else { return }
        if let old = try breadcrumb() {
            if (old.published, old.revision) > (new.published, new.revision) { return }
            // Each file that is replaced is synchronised, which a disk takes milliseconds for.
            if old == new, let letters = try letters(), letters == (manifest, whitelist) { return }
        }
        do {
            // The breadcrumb last: a crash in between leaves letters that are verified again anyway.
            try LocalFile.replace(whitelistPath, with: whitelist)
            try LocalFile.replace(manifestPath, with: manifest)
            try LocalFile.replace(breadcrumbPath, with: new.serialized)
        } catch {
            throw CVMFSError(
                .storage, "cannot remember the state of \(repository) in \(folder): \(error)", cause: error)
        }
    }

    private func read(_ path: FilePath, limit: Int) throws -> [UInt8]? {
        do {
            return try LocalFile.read(path, limit: limit)
        } catch {
            throw CVMFSError(
                .storage,
                "cannot read \(path), which remembers the newest state of \(repository): \(error). Without it an older state could pass for the newest",
                cause: error)
        }
    }
}

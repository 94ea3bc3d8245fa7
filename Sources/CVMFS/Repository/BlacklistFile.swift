public import Signing
public import SystemPackage

/// Reads a blacklist from the disk.
public enum BlacklistFile {
    /// The blacklist in a file; `nil` when there is no such file.
    public static func read(_ path: FilePath) throws -> Blacklist? {
        do {
            return try LocalFile.read(path, limit: TrustLimits.blacklistBytes).map { try Blacklist(parsing: $0) }
        } catch {
            throw CVMFSError(.storage, "cannot read the blacklist \(path): \(error)", cause: error)
        }
    }
}

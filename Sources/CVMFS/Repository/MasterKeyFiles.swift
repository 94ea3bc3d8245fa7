package import Signing
public import SystemPackage

/// Finds master public keys on the disk.
public enum MasterKeyFiles {
    /// Reads files, and the `*.pub` files of folders.
    package static func keys(in paths: [FilePath]) throws -> [MasterKey] {
        var keys: [MasterKey] = []
        for path in paths {
            do {
                if let names = try LocalFile.names(in: path) {
                    for name in names where name.hasSuffix(".pub") { keys += try read(path.appending(name)) }
                } else {
                    keys += try read(path)
                }
            } catch let error as Errno {
                throw CVMFSError(.noKeys, "cannot read the master keys in \(path): \(error)", cause: error)
            }
        }
        guard !keys.isEmpty else {
            throw CVMFSError(
                .noKeys,
                "no master public key in \(paths.map(\.string).joined(separator: ", ")): name a PEM file, or a folder with *.pub files"
            )
        }
        return keys
    }

    /// Where the reference's configuration keeps the keys of a repository: its own file, or its domain's file or folder.
    public static func standardPaths(for repository: String) -> [FilePath] {
        let domain = (try? RepositoryName(repository))?.domain ?? ""
        let folder = FilePath("/etc/cvmfs/keys")
        let files = [folder.appending("\(repository).pub"), folder.appending("\(domain).pub")]
        // A folder counts where it is one; an empty domain would name the folder of all keys.
        let folders = domain.isEmpty ? [] : [folder.appending(domain)]
        return (files + folders).filter(LocalFile.isReadable)
    }

    private static func read(_ path: FilePath) throws -> [MasterKey] {
        guard let text = try LocalFile.read(path, limit: TrustLimits.keyBytes) else {
            throw Errno.noSuchFileOrDirectory
        }
        do {
            return try MasterKey.all(inPEM: text)
        } catch {
            throw CVMFSError(.noKeys, "\(path) is no master public key: \(error)", cause: error)
        }
    }
}

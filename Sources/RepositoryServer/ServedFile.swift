internal import CASCore

/// A file of a repository that clients may have. Source: format 2, 5.
///
/// Only names that the format knows lead to one, so no request reaches anything else, however its path is written.
struct ServedFile: Sendable, Hashable {
    /// Below the repository's folder.
    let path: String
    /// Whether it never changes under its name.
    let isObject: Bool

    /// Of the files in the root, those that replicas, clients and monitors ask for.
    private static let rootFiles: Set<String> = [
        ".cvmfspublished", ".cvmfswhitelist", ".cvmfswhitelist.pkcs7", ".cvmfsreflog", ".cvmfs_master_replica",
        ".cvmfs_last_snapshot", ".cvmfs_is_snapshotting", ".cvmfs_status.json",
    ]

    /// - Parameter path: what a client asks for, below the repository's URL.
    init?(requested path: some StringProtocol) {
        if ObjectID(serverPath: path) != nil {
            self.init(path: String(path), isObject: true)
        } else if Self.rootFiles.contains(String(path)) {
            self.init(path: String(path), isObject: false)
        } else if path.hasPrefix(Self.alternativePrefix) {
            // A link to an object; see format 2.2.
            let name = path.dropFirst(Self.alternativePrefix.count)
            let object = ObjectID(serverPath: "data/\(name.prefix(2))/\(name.dropFirst(2))")
            guard let object else { return nil }
            self.init(path: object.serverPath, isObject: true)
        } else {
            return nil
        }
    }

    private init(path: String, isObject: Bool) {
        self.path = path
        self.isObject = isObject
    }

    private static let alternativePrefix = ".cvmfsalt-"

    /// As the reference's servers have it: objects for three days, all else for a minute.
    var cacheControl: String { isObject ? "max-age=259200" : "max-age=61" }

    var contentType: String {
        if path.hasSuffix(".json") { return "application/json" }
        return isObject ? "application/octet-stream" : "application/x-cvmfs"
    }
}

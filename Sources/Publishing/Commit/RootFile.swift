/// The files beside a repository's objects, by name. Source: format 2.
enum RootFile {
    static let manifest = ".cvmfspublished"
    static let whitelist = ".cvmfswhitelist"
    static let reflog = ".cvmfsreflog"
    /// An empty one says that the repository may be replicated.
    static let masterReplica = ".cvmfs_master_replica"
    static let status = ".cvmfs_status.json"
    /// When a replica was last complete, and, while a copy runs, since when it does.
    static let lastSnapshot = ".cvmfs_last_snapshot"
    static let isSnapshotting = ".cvmfs_is_snapshotting"
    /// Before an object's name: a symbolic link to it. See format 2.2, alternative paths.
    static let alternativePrefix = ".cvmfsalt-"
}

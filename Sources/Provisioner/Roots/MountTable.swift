internal import FUSE

/// What is mounted in this process's namespace.
enum MountTable {
    /// The paths of all mounts. Nothing of the mounts themselves is touched.
    static func points() -> Set<String> { Set(MountedFileSystem.all().map(\.path)) }
}

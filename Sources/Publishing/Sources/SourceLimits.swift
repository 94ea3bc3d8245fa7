/// Bounds on what may be published; each is far above what file systems make.
package enum SourceLimits {
    /// Bytes of a symlink's target: Linux's PATH_MAX.
    static let targetBytes = 4096
    /// Bytes of a path in the repository: Linux's PATH_MAX. It bounds the depth of a tree, too.
    package static let pathBytes = 4096
    /// Bytes that the names of one directory may have together: a million names of 60 bytes take 64 MiB.
    static let namesBytes = 1 << 29
    /// Folders of a source that are open at the same time; those above them are opened again on the way back.
    static let openFolders = 64
    /// Entries of a directory that are looked at before the walk needs them.
    static let entriesAhead = 256
    /// Folders among them, each of which is open as long as somebody may open a file in it.
    static let foldersAhead = 64
    /// Bytes of an entry's list of extended attributes, and of one value: what Linux allows at most.
    static let xattrBytes = 64 << 10
    /// Files with several names that are remembered until all their names have come.
    package static let hardlinks = 1 << 18
    /// Bytes of `.cvmfsdirtab`: ten thousand patterns of 100 bytes.
    static let dirtabBytes = 1 << 20
    /// Warnings that are kept word by word; further ones are only counted.
    package static let warnings = 1000
}

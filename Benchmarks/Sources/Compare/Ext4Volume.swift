import Glibc

/// The peer of a mount: an ext4 file system of its own, in a file, whose caches can be made cold.
struct Ext4Volume: ~Copyable {
    /// Where it is mounted.
    let path: String
    private let image: String

    /// - Parameters:
    ///   - scratch: a folder on a disk, for the image and the mount point.
    ///   - bytes: its size; the image is sparse.
    init(in scratch: String, name: String, bytes: Int64, inodes: Int) throws {
        image = "\(scratch)/\(name).ext4"
        path = "\(scratch)/\(name)"
        mkdir(path, 0o755)
        _ = try Child.run("/usr/bin/truncate", ["-s", "\(bytes)", image])
        _ = try Child.run(
            "/sbin/mkfs.ext4", ["-q", "-F", "-E", "lazy_itable_init=0", "-N", "\(inodes)", image], discardsOutput: true)
        try mount()
    }

    private func mount() throws { _ = try Child.run("/bin/mount", ["-o", "loop,noatime", image, path]) }

    /// Forgets everything that the kernel has in memory of it, as of all that is not in use.
    func coolDown() throws {
        _ = try Child.run("/bin/umount", [path])
        try dropCaches()
        try mount()
    }

    deinit { _ = try? Child.run("/bin/umount", [path]) }
}

/// Lets the kernel forget file contents, names and attributes that are not in use, of all file systems.
func dropCaches() throws {
    sync()
    guard let file = fopen("/proc/sys/vm/drop_caches", "we") else {
        throw BenchmarkError("the kernel's caches cannot be dropped: root can")
    }
    fputs("3\n", file)
    guard fclose(file) == 0 else { throw BenchmarkError("the kernel's caches cannot be dropped: errno \(errno)") }
}

internal import CMount
internal import Glibc
internal import SystemPackage

/// The right to a mountpoint: one process at a time makes a mount there, and has it for as long as it keeps the mount.
///
/// The kernel would mount twice, and takes the right from a process that dies.
final class MountpointLock: Sendable {
    private let descriptor: Int32

    private init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// Makes the mount's folder and takes the right, or tells who has it.
    ///
    /// - Throws: `MountError` with `.alreadyMounted` when somebody keeps a mount there, or is about to.
    static func take(_ folder: RuntimeFolder) throws(MountError) -> MountpointLock {
        for _ in 0..<MountLimits.lockAttempts {
            try folder.make()
            if let lock = try attempt(folder) { return lock }
            // One that listens is one that lives; one that does not yet, or no more, is given some time.
            let other = cmount_connect(folder.socket)
            if other >= 0 {
                close(other)
                throw MountError(.alreadyMounted, "\(folder.mountpoint) is mounted already: see cvmfs status")
            }
            usleep(10_000)
        }
        throw MountError(
            .alreadyMounted, "another process is mounting \(folder.mountpoint), or about to unmount it; try again")
    }

    /// - Returns: `nil` when another process has the right, or has just given it up.
    static func attempt(_ folder: RuntimeFolder) throws(MountError) -> MountpointLock? {
        let descriptor = open(folder.lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else {
            // The folder went with the mount of before.
            if errno == ENOENT { return nil }
            throw MountError(.systemCall, "\(folder.lock) cannot be made: \(Errno(rawValue: errno))")
        }
        let lock = MountpointLock(descriptor: descriptor)
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else { return nil }
        // Who had it before has removed the file at the end: then another one counts now.
        var (held, named) = (stat(), stat())
        guard fstat(descriptor, &held) == 0, lstat(folder.lock, &named) == 0, held.st_ino == named.st_ino,
            held.st_dev == named.st_dev
        else { return nil }
        return lock
    }
}

internal import CMount
internal import Glibc
internal import SystemPackage

/// The folder of one mount, where its keeper listens. It is gone with the mount.
public struct RuntimeFolder: Sendable, Hashable {
    /// Of the mountpoint, absolute.
    public let mountpoint: String
    public let path: String

    public var socket: String { path + "/socket" }

    /// What whoever makes or keeps the mount has locked.
    var lock: String { path + "/lock" }

    /// - Parameter mountpoint: need not be reachable: nothing of it is touched but the folders above it.
    public init(mountpoint: String) throws(MountError) {
        self.mountpoint = try Self.absolute(mountpoint)
        var digest = Digest()
        digest.add(Array(self.mountpoint.utf8))
        let hex = String(digest.value, radix: 16)
        path = Self.base() + "/" + String(repeating: "0", count: 16 - hex.count) + hex
    }

    /// Where such folders are: /run/cvmfs for root, the user's own runtime folder otherwise.
    static func base() -> String {
        if geteuid() == 0 { return "/run/cvmfs" }
        if let folder = getenv("XDG_RUNTIME_DIR").map({ String(cString: $0) }), folder.hasPrefix("/") {
            return folder + "/cvmfs"
        }
        return "/tmp/cvmfs-\(geteuid())"
    }

    /// Makes it, open to its owner only.
    func make() throws(MountError) {
        for folder in [Self.base(), path] {
            if mkdir(folder, 0o700) == 0 { continue }
            let error = errno
            guard error == EEXIST else {
                throw MountError(.systemCall, "the folder \(folder) cannot be made: \(Errno(rawValue: error))")
            }
            var status = stat()
            guard lstat(folder, &status) == 0, status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid(),
                status.st_mode & 0o022 == 0
            else {
                throw MountError(.refused, "the folder \(folder) is not this user's own, or others may write to it")
            }
        }
    }

    /// For the holder of the lock: anybody else could take the folder of a mount that is just being made.
    func remove() {
        unlink(socket)
        unlink(lock)
        rmdir(path)
    }

    /// The path with the folders above it resolved, and itself as it is: it may be a mount that does not answer.
    static func absolute(_ path: String) throws(MountError) -> String {
        var parts = path.split(separator: "/", omittingEmptySubsequences: true).map(String.init)
        guard let last = parts.popLast() else {
            throw MountError(.invalidConfiguration, "\"\(path)\" cannot be a mountpoint")
        }
        guard last != ".", last != ".." else {
            guard let found = realpath(path, nil) else {
                throw MountError(.systemCall, "\(path) cannot be reached: \(Errno(rawValue: errno))")
            }
            defer { free(found) }
            return String(cString: found)
        }
        let folder = (path.hasPrefix("/") ? "/" : "") + parts.joined(separator: "/")
        guard let found = realpath(folder.isEmpty ? "." : folder, nil) else {
            throw MountError(.systemCall, "\(folder) cannot be reached: \(Errno(rawValue: errno))")
        }
        defer { free(found) }
        let parent = String(cString: found)
        return parent == "/" ? "/" + last : parent + "/" + last
    }
}

internal import CASCore
internal import CPlatform
internal import Catalog
internal import SystemPackage

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// A folder of the copy, held open, in which entries are made by name.
///
/// Every step goes from an open folder to one of its entries and never follows a symlink: whatever a catalog says,
/// nothing is written outside the target.
final class TargetFolder: Sendable {
    /// What is there under a name.
    struct Status {
        let kind: EntryKind?
        let size: Int64
        /// Time of modification.
        let seconds: Int64
        let nanoseconds: Int64

        fileprivate init(_ status: stat) {
            kind = EntryKind(mode: UInt32(status.st_mode))
            size = Int64(status.st_size)
            #if canImport(Glibc)
                (seconds, nanoseconds) = (Int64(status.st_mtim.tv_sec), Int64(status.st_mtim.tv_nsec))
            #else
                (seconds, nanoseconds) = (Int64(status.st_mtimespec.tv_sec), Int64(status.st_mtimespec.tv_nsec))
            #endif
        }
    }

    let descriptor: Int32

    private init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// Opens the target itself, making it when it is absent. Here symlinks are the user's own and are followed.
    static func open(_ path: FilePath) throws(Errno) -> TargetFolder {
        let (descriptor, error) = path.withPlatformString { text -> (Int32, Errno?) in
            if mkdir(text, 0o700) != 0, lastError != .fileExists { return (-1, lastError) }
            let descriptor = openat(AT_FDCWD, text, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            return (descriptor, descriptor < 0 ? lastError : nil)
        }
        if let error { throw error }
        return TargetFolder(descriptor: descriptor)
    }

    /// Makes a folder in this one, or opens the one that is there.
    func folder(_ name: FileName) throws(Errno) -> TargetFolder {
        try withName(name) { (text) throws(Errno) in
            if mkdirat(descriptor, text, 0o700) != 0, lastError != .fileExists { throw lastError }
            let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
            var folder = openat(descriptor, text, flags)
            if folder < 0, lastError == .permissionDenied {
                // An earlier run has given it the published mode, which keeps us out unless we are root.
                guard fchmodat(descriptor, text, 0o700, AT_SYMLINK_NOFOLLOW) == 0 else { throw lastError }
                folder = openat(descriptor, text, flags)
            }
            if folder < 0 { throw lastError }
            return TargetFolder(descriptor: folder)
        }
    }

    /// What is there under a name, a symlink itself included; `nil` when nothing is.
    func status(_ name: FileName) throws(Errno) -> Status? {
        try withName(name) { (text) throws(Errno) in
            var status = stat()
            if fstatat(descriptor, text, &status, AT_SYMLINK_NOFOLLOW) == 0 { return Status(status) }
            if lastError == .noSuchFileOrDirectory { return nil }
            throw lastError
        }
    }

    /// Creates a file that is not there yet, for writing.
    func create(_ name: FileName) throws(Errno) -> FileDescriptor {
        try withName(name) { (text) throws(Errno) in
            let file = openat(descriptor, text, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
            if file < 0 { throw lastError }
            return FileDescriptor(rawValue: file)
        }
    }

    func rename(_ from: FileName, to name: FileName) throws(Errno) {
        try withName(from) { (from) throws(Errno) in
            try withName(name) { (to) throws(Errno) in
                if renameat(descriptor, from, descriptor, to) != 0 { throw lastError }
            }
        }
    }

    /// Removes an entry that is no directory; nothing happens when it is absent.
    func remove(_ name: FileName) throws(Errno) {
        try withName(name) { (text) throws(Errno) in
            if unlinkat(descriptor, text, 0) != 0, lastError != .noSuchFileOrDirectory { throw lastError }
        }
    }

    func link(_ from: FileName, to name: FileName) throws(Errno) {
        try withName(from) { (from) throws(Errno) in
            try withName(name) { (to) throws(Errno) in
                if linkat(descriptor, from, descriptor, to, 0) != 0 { throw lastError }
            }
        }
    }

    func symlink(_ name: FileName, to target: [UInt8]) throws(Errno) {
        try withName(name) { (text) throws(Errno) in
            try withName(FileName(bytes: target)) { (target) throws(Errno) in
                if symlinkat(target, descriptor, text) != 0 { throw lastError }
            }
        }
    }

    func makeNode(_ name: FileName, mode: UInt32, device: DeviceNumber) throws(Errno) {
        try withName(name) { (text) throws(Errno) in
            try check(cplatform_make_node(descriptor, text, mode, device.major, device.minor))
        }
    }

    func setOwner(_ name: FileName, uid: UInt32, gid: UInt32) throws(Errno) {
        try withName(name) { (text) throws(Errno) in
            if fchownat(descriptor, text, uid, gid, AT_SYMLINK_NOFOLLOW) != 0 { throw lastError }
        }
    }

    /// Sets the permissions of an entry that is no symlink.
    func setMode(_ name: FileName, _ mode: UInt32) throws(Errno) {
        try withName(name) { (text) throws(Errno) in
            if fchmodat(descriptor, text, mode, 0) != 0 { throw lastError }
        }
    }

    func setTimes(_ name: FileName, seconds: Int64, nanoseconds: Int64) throws(Errno) {
        try withName(name) { (text) throws(Errno) in
            try check(cplatform_set_times(descriptor, text, seconds, nanoseconds))
        }
    }

    func setXattr(_ name: FileName, key: [UInt8], value: [UInt8]) throws(Errno) {
        try withName(name) { (text) throws(Errno) in
            try withName(FileName(bytes: key)) { (key) throws(Errno) in
                try check(cplatform_set_link_xattr(descriptor, text, key, value, value.count))
            }
        }
    }

    private func check(_ error: Int32) throws(Errno) { if error != 0 { throw Errno(rawValue: error) } }

    private func withName<Result>(
        _ name: FileName, _ body: (UnsafePointer<CChar>) throws(Errno) -> Result
    ) throws(Errno) -> Result {
        // Names come from verified entries (no NUL); one that ends early could only name another entry of this folder.
        let text = name.bytes.map { CChar(bitPattern: $0) } + [0]
        return try text.withUnsafeBufferPointer { (buffer) throws(Errno) in try body(buffer.baseAddress!) }
    }
}

private var lastError: Errno { Errno(rawValue: errno) }

internal import CPlatform
internal import Glibc
package import SystemPackage

/// A file that is locked by this process, and unlocked by the kernel when the process ends in whatever way.
///
/// The file itself stays. Two of these on one file exclude each other also within a process.
package final class LockFile: Sendable {
    package enum Mode: Sendable {
        case shared, exclusive
    }

    let descriptor: Int32
    private let path: FilePath

    /// Opens the file, which is made when it is missing, without locking it.
    package init(opening path: FilePath) throws {
        let descriptor = path.withPlatformString { open($0, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600) }
        guard descriptor >= 0 else {
            throw PublishingError(.storage, "the lock \(path) cannot be opened", cause: Errno(rawValue: errno))
        }
        self.descriptor = descriptor
        self.path = path
    }

    /// Opens the file and waits until it can be locked.
    package convenience init(_ path: FilePath, _ mode: Mode = .exclusive) throws {
        try self.init(opening: path)
        try lock(mode)
    }

    deinit { cplatform_close(descriptor) }

    package func lock(_ mode: Mode) throws {
        let result = cplatform_lock(descriptor, mode == .exclusive ? 1 : 0, 1)
        guard result >= 0 else { throw failure(result) }
    }

    /// - Returns: whether it is locked now; without waiting.
    package func tryLock(_ mode: Mode = .exclusive) throws -> Bool {
        let result = cplatform_lock(descriptor, mode == .exclusive ? 1 : 0, 0)
        if result == -EWOULDBLOCK { return false }
        guard result >= 0 else { throw failure(result) }
        return true
    }

    package func unlock() { _ = cplatform_unlock(descriptor) }

    private func failure(_ result: Int32) -> PublishingError {
        PublishingError(
            .storage, "\(path) cannot be locked; does the file system have locks (flock)?",
            cause: Errno(rawValue: -result))
    }

    /// The file's time of modification, in nanoseconds since 1970, by the file system's clock.
    func modified() throws -> Int64 {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw PublishingError(.storage, "\(path) cannot be looked at", cause: Errno(rawValue: errno))
        }
        return status.modified
    }

    /// Up to `limit` bytes of its content.
    func content(limit: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
            count = max(0, Int(cplatform_read_at(descriptor, buffer.baseAddress, Int64(limit), 0)))
        }
    }

    func replaceContent(with bytes: [UInt8]) throws {
        var result = cplatform_truncate(descriptor, 0)
        if result >= 0, !bytes.isEmpty { result = cplatform_write_at(descriptor, bytes, Int64(bytes.count), 0) }
        guard result >= 0 else {
            throw PublishingError(.storage, "\(path) cannot be written", cause: Errno(rawValue: -result))
        }
    }
}

extension stat {
    /// Time of modification, in nanoseconds since 1970.
    var modified: Int64 { Int64(st_mtim.tv_sec) * 1_000_000_000 + Int64(st_mtim.tv_nsec) }
}

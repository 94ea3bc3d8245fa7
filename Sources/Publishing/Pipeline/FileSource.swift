package import CASCore
internal import CPlatform
internal import Catalog
internal import SystemPackage

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// The content of a regular file. A symlink is not followed.
package final class FileSource: ContentSource {
    package let label: String
    /// The file as it was when it was opened.
    package let identity: FileIdentity
    private let status: stat
    private let descriptor: Int32
    private let opened: Int64
    private var offset: Int64 = 0

    /// - Throws: `source` when it cannot be opened or is no regular file.
    package convenience init(at path: String) throws(PublishingError) {
        try self.init(AT_FDCWD, path, label: path)
    }

    /// - Parameters:
    ///   - name: the file's name in the folder.
    ///   - folder: an open folder.
    ///   - label: what messages call the file.
    package convenience init(_ name: FileName, in folder: Int32, label: String) throws(PublishingError) {
        try self.init(folder, name.bytes.map { CChar(bitPattern: $0) } + [0], label: label)
    }

    private convenience init(_ folder: Int32, _ path: String, label: String) throws(PublishingError) {
        try self.init(folder, Array(path.utf8CString), label: label)
    }

    private init(_ folder: Int32, _ path: [CChar], label: String) throws(PublishingError) {
        self.label = label
        opened = cplatform_now()
        let flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK
        descriptor = openat(folder, path, flags)
        guard descriptor >= 0 else { throw Self.failure(label, "cannot be opened") }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            let error = Self.failure(label, "cannot be looked at")
            close(descriptor)
            throw error
        }
        identity = FileIdentity(status)
        self.status = status
        guard status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw PublishingError(.changed, "\(label): is no regular file any more")
        }
    }

    deinit { close(descriptor) }

    package var expectedSize: Int64? { identity.size }

    package func read(into buffer: UnsafeMutableRawBufferPointer) throws(PublishingError) -> Int {
        let count = cplatform_read_at(descriptor, buffer.baseAddress, Int64(buffer.count), offset)
        guard count >= 0 else {
            throw PublishingError(.source, "\(label): cannot be read", cause: Errno(rawValue: Int32(-count)))
        }
        offset += count
        return Int(count)
    }

    package func finish() throws(PublishingError) -> FileIdentity? {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw Self.failure(label, "cannot be looked at") }
        let now = FileIdentity(status)
        guard now.size == identity.size, now.modified == identity.modified else {
            throw PublishingError(.changed, "\(label): changed while it was read; publish again when it is at rest")
        }
        // A change right after this one could carry the same times, whose resolution is that of the kernel's clock: a
        // file that was touched just now is not recognised another time.
        let settled = opened - FileIdentity.settlingNanoseconds
        // Nor is one whose times nobody vouches for.
        guard now == identity, now.modified < settled, now.changed < settled else { return nil }
        return cplatform_times_are_kept(descriptor) != 0 ? now : nil
    }

    /// Gives an entry the attributes that the file had when it was opened.
    func giveAttributes(to record: inout EntryRecord) {
        record.permissions = UInt32(status.st_mode) & 0o7777
        (record.uid, record.gid) = (status.st_uid, status.st_gid)
        #if canImport(Glibc)
            let modified = status.st_mtim
        #else
            let modified = status.st_mtimespec
        #endif
        record.mtime = Int64(modified.tv_sec)
        record.mtimeNanoseconds = Int32(truncatingIfNeeded: modified.tv_nsec)
    }

    private static func failure(_ label: String, _ what: String) -> PublishingError {
        PublishingError(.source, "\(label): \(what)", cause: Errno(rawValue: errno))
    }
}

extension FileIdentity {
    /// How long a file must have been left alone before it is recognised by its times: 2 seconds, the coarsest
    /// resolution of file systems in use.
    static let settlingNanoseconds: Int64 = 2_000_000_000
}

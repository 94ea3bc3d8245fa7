internal import CASCore
internal import CPlatform
internal import SystemPackage

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// A file below `data/txn` that is being written, until it gets its name. Without one it goes with its owner; what a
/// killed process leaves behind is removed by the next writer (`LocalStorage.removeAbandoned`).
struct ScratchFile: ~Copyable {
    private let storage: LocalStorage
    private let descriptor: Int32
    private var name: String?
    private var size: Int64 = 0

    init(in storage: LocalStorage) throws(PublishingError) {
        self.storage = storage
        let name = "data/txn/\(String(UInt64.random(in: 0 ... .max), radix: 36))"
        let flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
        var file = openat(storage.folder, name, flags, 0o644)
        if file < 0, errno == ENOENT {
            storage.makeMissing("data/txn")
            file = openat(storage.folder, name, flags, 0o644)
        }
        descriptor = file
        guard descriptor >= 0 else { throw storage.failure(-errno, name, "cannot be made") }
        self.name = name
    }

    deinit {
        if let name { _ = cplatform_remove_file(storage.folder, name) }
        cplatform_close(descriptor)
    }

    /// Appends bytes.
    mutating func write(_ bytes: RawSpan) throws(PublishingError) {
        let (file, offset) = (descriptor, size)
        let result = bytes.withUnsafeBytes { cplatform_write_at(file, $0.baseAddress, Int64($0.count), offset) }
        guard result >= 0 else { throw storage.failure(result, name ?? "", "cannot be written") }
        size += Int64(bytes.byteCount)
    }

    /// Appends the rest of an open file.
    mutating func append(contentsOf input: Int32, named source: String) throws(PublishingError) {
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 64)
        defer { piece.deallocate() }
        var offset: Int64 = 0
        while true {
            let count = cplatform_read_at(input, piece.baseAddress, Int64(piece.count), offset)
            guard count >= 0 else { throw storage.failure(Int32(count), source, "cannot be read") }
            if count == 0 { return }
            try write(UnsafeRawBufferPointer(rebasing: piece[..<Int(count)]).bytes)
            offset += count
        }
    }

    /// Gives the file an object's name, if the object is not there yet.
    consuming func publish(as object: ObjectID) throws(PublishingError) {
        guard let name else { return }
        var result = cplatform_move_file(storage.folder, name, object.serverPath)
        if result == -ENOENT {
            storage.makeMissing(object.folder)
            result = cplatform_move_file(storage.folder, name, object.serverPath)
        }
        while result == -EEXIST {
            if try storage.renew(object) { return }
            result = cplatform_move_file(storage.folder, name, object.serverPath)
        }
        guard result >= 0 else { throw storage.failure(result, object.serverPath, "cannot be named") }
        self.name = nil
    }

    /// Makes the file durable, and gives it the name of a file of the root in place of what has it.
    consuming func replace(_ target: String) throws(PublishingError) {
        guard let name else { return }
        var result = cplatform_sync_file(descriptor)
        guard result >= 0 else { throw storage.failure(result, name, "cannot be synchronised") }
        result = cplatform_replace_file(storage.folder, name, target)
        guard result >= 0 else { throw storage.failure(result, target, "cannot be replaced") }
        self.name = nil
        result = cplatform_sync_file(storage.folder)
        guard result >= 0 else { throw storage.failure(result, "", "cannot be synchronised") }
    }
}

extension ObjectID {
    /// The folder that the object is in: `data/ab`.
    var folder: String { String(serverPath.prefix(7)) }
}

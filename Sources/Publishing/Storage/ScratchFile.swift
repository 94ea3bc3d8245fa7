internal import CASCore
internal import CPlatform
internal import SystemPackage

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// A file that is being written into a storage, and that nobody sees until it gets its name.
///
/// Where the file system can, it has no name at all until then, and is gone with its process if it never gets one; it
/// lies in the folder that it will be in, since hundreds of thousands of files that are made in one folder and moved
/// to others would be slow to make. Elsewhere it is below `data/txn`, and what a killed process leaves there is removed by the next
/// writer (`LocalStorage.removeAbandoned`).
struct ScratchFile: ~Copyable {
    private static let folder = "data/txn"

    private let storage: LocalStorage
    private let descriptor: Int32
    private var name: String?
    private var size: Int64 = 0

    /// - Parameter object: what it will be, if that is known.
    init(in storage: LocalStorage, for object: ObjectID? = nil) throws(PublishingError) {
        (descriptor, name) = try Self.create(in: storage, place: object?.folder ?? Self.folder)
        self.storage = storage
    }

    private static func create(
        in storage: LocalStorage, place: String
    ) throws(PublishingError) -> (Int32, String?) {
        var file = cplatform_create_unnamed_file(storage.folder, place)
        if file == -ENOENT {
            storage.makeMissing(place)
            file = cplatform_create_unnamed_file(storage.folder, place)
        }
        if file >= 0 { return (file, nil) }
        guard file == -EOPNOTSUPP || file == -EINVAL else { throw storage.failure(file, place, "takes no file") }
        let name = freeName()
        let flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
        file = openat(storage.folder, name, flags, 0o600)
        if file < 0, errno == ENOENT {
            storage.makeMissing(folder)
            file = openat(storage.folder, name, flags, 0o600)
        }
        guard file >= 0 else { throw storage.failure(-errno, name, "cannot be made") }
        return (file, name)
    }

    deinit {
        if let name { _ = cplatform_remove_file(storage.folder, name) }
        cplatform_close(descriptor)
    }

    private static func freeName() -> String { "\(folder)/\(FreeName.make())" }

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
        try makeReadable()
        var hasFolder = false
        while true {
            let result = move(to: object.serverPath)
            if result >= 0 {
                name = nil
                return
            }
            switch result {
            case -EEXIST: if try storage.renew(object) { return }
            case -ENOENT where !hasFolder:
                storage.makeMissing(object.folder)
                hasFolder = true
            default: throw storage.failure(result, object.serverPath, "cannot be named")
            }
        }
    }

    private func move(to target: String) -> Int32 {
        guard let name else { return cplatform_name_file(descriptor, storage.folder, target) }
        return cplatform_move_file(storage.folder, name, target)
    }

    /// Leaves the file in the folder for such, and gives its name below the storage's folder.
    consuming func keep() throws(PublishingError) -> String {
        let kept = try named()
        name = nil
        return kept
    }

    /// Makes the file durable, and gives it the name of a file of the root in place of what has it.
    consuming func replace(_ target: String) throws(PublishingError) {
        try makeReadable()
        let name = try named()
        var result = cplatform_sync_file(descriptor)
        guard result >= 0 else { throw storage.failure(result, name, "cannot be synchronised") }
        result = cplatform_replace_file(storage.folder, name, target)
        guard result >= 0 else { throw storage.failure(result, target, "cannot be replaced") }
        self.name = nil
        result = cplatform_sync_file(storage.folder)
        guard result >= 0 else { throw storage.failure(result, "", "cannot be synchronised") }
    }

    /// The name that it has, or gets now.
    private mutating func named() throws(PublishingError) -> String {
        if let name { return name }
        let name = Self.freeName()
        var result = cplatform_name_file(descriptor, storage.folder, name)
        if result == -ENOENT {
            storage.makeMissing(Self.folder)
            result = cplatform_name_file(descriptor, storage.folder, name)
        }
        guard result >= 0 else { throw storage.failure(result, name, "cannot be named") }
        self.name = name
        return name
    }

    /// Servers run as other users.
    private func makeReadable() throws(PublishingError) {
        guard fchmod(descriptor, 0o644) == 0 else {
            throw storage.failure(-errno, name ?? "", "cannot be made readable")
        }
    }
}

extension ObjectID {
    /// The folder that the object is in: `data/ab`.
    var folder: String { String(serverPath.prefix(7)) }
}

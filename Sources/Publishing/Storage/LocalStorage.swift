public import CASCore
internal import CPlatform
internal import Synchronization
internal import SystemPackage

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// A repository's storage as a folder of this machine, which any web server can serve: objects below `data/`, the
/// manifest and a few other files beside it.
///
/// All calls block for the disk. Objects get their names only when they are whole. They are not synchronised one by
/// one: `synchronize()` does it for all, before a manifest names them. Source: format 2.
public final class LocalStorage: ObjectUploader {
    public let path: String
    /// The folder, held open: it stays the same one whatever becomes of its path.
    let folder: Int32
    private let state: StateFolder
    private let gate: SweepGate
    private let hasStateFolder = Atomic(false)

    /// Opens the storage of a repository.
    /// - Parameters:
    ///   - path: the repository's own folder.
    ///   - creates: whether to make what is missing of the folder and its 256 folders for objects.
    /// - Throws: `noRepository` when it is absent, or has no folders for objects.
    public init(at path: String, creates: Bool = false) throws(PublishingError) {
        self.path = path
        state = StateFolder(storage: FilePath(path))
        gate = SweepGate(state)
        if creates { try Self.makeFolders(path) }
        let folder = cplatform_open_folder(path)
        guard folder >= 0 else { throw Self.absent(path, Errno(rawValue: -folder)) }
        self.folder = folder
        var status = cplatform_status()
        guard cplatform_status_at(folder, "data", &status) >= 0, status.is_folder != 0 else {
            throw Self.absent("\(path)/data", .noSuchFileOrDirectory)
        }
    }

    deinit { cplatform_close(folder) }

    // MARK: Objects

    public func contains(_ object: ObjectID) throws(PublishingError) -> Bool { try size(of: object) != nil }

    /// How many bytes the object has as stored; `nil` when it is not there.
    public func size(of object: ObjectID) throws(PublishingError) -> Int64? {
        var status = cplatform_status()
        let result = cplatform_status_at(folder, object.serverPath, &status)
        if result == -ENOENT { return nil }
        guard result >= 0 else { throw failure(result, object.serverPath, "cannot be looked at") }
        return status.is_regular != 0 ? status.size : nil
    }

    public func renew(_ object: ObjectID) throws(PublishingError) -> Bool {
        let name = object.serverPath
        let error = try sharingGate { utimensat(folder, name, nil, 0) == 0 ? 0 : errno }
        guard error == 0 || error == ENOENT else { throw failure(-error, name, "cannot be touched") }
        return error == 0
    }

    public func upload(_ stored: StoredBytes, as object: ObjectID) throws(PublishingError) {
        switch stored {
        case .bytes(let bytes):
            // Most often it is not there: one look is cheaper than taking the gate. If it comes meanwhile, giving the
            // file its name shows that.
            if try contains(object), try renew(object) { return }
            var file = try ScratchFile(in: self, for: object)
            try file.write(bytes.span.bytes)
            try file.publish(as: object)
        case .file(let source):
            try upload(fileAt: source, as: object)
        }
    }

    private func upload(fileAt source: String, as object: ObjectID) throws(PublishingError) {
        defer { unlink(source) }
        if try renew(object) { return }
        // A collection goes by the time at which an object was stored, not by that of its source.
        guard chmod(source, 0o644) == 0, utimensat(AT_FDCWD, source, nil, 0) == 0 else {
            throw failure(-errno, source, "cannot be made ready")
        }
        makeMissing(object.folder)
        while true {
            if linkat(AT_FDCWD, source, folder, object.serverPath, 0) == 0 { return }
            guard errno == EEXIST else { break }
            if try renew(object) { return }
        }
        // Another file system, or one without hard links.
        let input = open(source, O_RDONLY | O_CLOEXEC)
        guard input >= 0 else { throw failure(-errno, source, "cannot be opened") }
        defer { close(input) }
        var file = try ScratchFile(in: self, for: object)
        try file.append(contentsOf: input, named: source)
        try file.publish(as: object)
    }

    /// Runs a body while no collection deletes.
    private func sharingGate<Result>(_ body: () -> Result) throws(PublishingError) -> Result {
        do {
            if !hasStateFolder.load(ordering: .relaxed) {
                try state.make()
                hasStateFolder.store(true, ordering: .relaxed)
            }
            return try gate.shared(body)
        } catch let error as PublishingError {
            throw error
        } catch {
            throw PublishingError(.storage, "storage \(path): its locks cannot be used", cause: error)
        }
    }

    // MARK: Files of the root

    public func replace(_ name: String, with bytes: [UInt8]) throws(PublishingError) {
        try check(name)
        var file = try ScratchFile(in: self)
        try file.write(bytes.span.bytes)
        try file.replace(name)
    }

    public func read(_ name: String, limit: Int) throws(PublishingError) -> [UInt8]? {
        try check(name)
        return try read(path: name, limit: limit)
    }

    /// Removes a file of the root; nothing happens when it is absent.
    public func remove(_ name: String) throws(PublishingError) {
        try check(name)
        let result = cplatform_remove_file(folder, name)
        guard result >= 0 || result == -ENOENT else { throw failure(result, name, "cannot be removed") }
    }

    public func synchronize() throws(PublishingError) {
        let result = cplatform_sync_file_system(folder)
        guard result >= 0 else { throw failure(result, "", "cannot be synchronised") }
    }

    // MARK: Shared with the type's other files

    func read(path name: String, limit: Int) throws(PublishingError) -> [UInt8]? {
        let file = cplatform_open_file(folder, name, 0)
        if file == -ENOENT { return nil }
        guard file >= 0 else { throw failure(file, name, "cannot be opened") }
        defer { cplatform_close(file) }
        var status = cplatform_status()
        let result = cplatform_status_of(file, &status)
        guard result >= 0 else { throw failure(result, name, "cannot be looked at") }
        guard status.is_regular != 0 else { throw PublishingError(.corrupt, "\(path)/\(name): is no regular file") }
        guard status.size <= limit else {
            throw PublishingError(.corrupt, "\(path)/\(name): has \(status.size) bytes, more than the \(limit) allowed")
        }
        var count: Int64 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: Int(status.size)) { buffer, filled in
            count = cplatform_read_at(file, buffer.baseAddress, Int64(buffer.count), 0)
            filled = max(0, Int(count))
        }
        guard count >= 0 else { throw failure(Int32(count), name, "cannot be read") }
        return bytes
    }

    func failure(_ result: Int32, _ name: String, _ what: String) -> PublishingError {
        let error = Errno(rawValue: -result)
        let full = name.isEmpty || name.hasPrefix("/") ? name : "\(path)/\(name)"
        switch error {
        case .noSpace, .diskQuotaExceeded:
            return PublishingError(
                .storage, "storage \(path): the disk is full; make room and publish again", cause: error)
        default:
            return PublishingError(.storage, "storage \(full.isEmpty ? path : full): \(what)", cause: error)
        }
    }

    /// A name of the root is one component, so that nothing outside is reached.
    private func check(_ name: String) throws(PublishingError) {
        guard FileName(name).isValid, name != "data" else {
            throw PublishingError(
                .invalidArgument, "\(name.debugDescription) is no name for a file of a storage's root")
        }
    }

    /// Makes a folder that is missing below the storage's: those that are empty are often lost when a storage is copied.
    func makeMissing(_ name: String) { mkdirat(folder, name, 0o755) }

    private static func makeFolders(_ path: String) throws(PublishingError) {
        var parent = ""
        let names = path.split(separator: "/").map(String.init)
        for (index, name) in names.enumerated() {
            parent += index == 0 && !path.hasPrefix("/") ? name : "/\(name)"
            try makeFolder(parent)
        }
        try makeFolder("\(path)/data")
        for number in UInt8.min ... .max { try makeFolder("\(path)/data/\(LocalStorage.folderName(number))") }
        try makeFolder("\(path)/data/txn")
    }

    private static func makeFolder(_ path: String) throws(PublishingError) {
        guard mkdir(path, 0o755) == 0 || errno == EEXIST else {
            let error = Errno(rawValue: errno)
            throw PublishingError(.storage, "storage folder \(path): cannot be made", cause: error)
        }
    }

    /// The two digits that name a folder for objects.
    static func folderName(_ number: UInt8) -> String {
        let digits = String(number, radix: 16)
        return digits.utf8.count < 2 ? "0\(digits)" : digits
    }

    private static func absent(_ path: String, _ error: Errno) -> PublishingError {
        PublishingError(.noRepository, "\(path): there is no repository's storage here", cause: error)
    }
}

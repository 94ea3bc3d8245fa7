internal import CPlatform
package import SystemPackage

/// The folder of a `DiskStore`: where things are in it, and what its file system can do.
///
/// ```
/// format          what this folder is, and its version
/// 00 … ff         the objects, plain content, named as `ObjectName` says
/// checks/00 … ff  their check records, where the file system has no extended attributes
/// txn             files being written, where the file system has none without a name
/// pins            what must stay, one file a pin
/// usage           counters: see UsageCounters
/// *.lock          see Lock
/// ```
package final class CacheFolder: Sendable {
    /// What other threads and processes are kept from; the lock goes with the process that holds it.
    enum Lock: String {
        /// Held exclusively by the one that evicts.
        case eviction = "eviction.lock"
        /// Held exclusively, for a short step, by whoever takes names of objects away; shared by whoever pins.
        case removal = "removal.lock"
        /// Shared by the processes that have counted an object and not yet given it its name.
        case storing = "storing.lock"
    }

    /// Which of the file system's abilities are used; fewer than it has only in tests.
    package struct Abilities: OptionSet, Sendable {
        package let rawValue: Int

        package init(rawValue: Int) { self.rawValue = rawValue }

        /// Files without a name, that get one when they are complete.
        package static let unnamedFiles = Abilities(rawValue: 1)
        package static let attributes = Abilities(rawValue: 2)
        package static let all: Abilities = [.unnamedFiles, .attributes]
    }

    private static let format: StaticString = "swift-cvmfs cache 1\n"
    static let attribute = "cvmfs.check"

    let path: FilePath
    let descriptor: Int32
    let isWritable: Bool
    let abilities: Abilities
    let boot: BootID

    package init(
        at path: FilePath, isWritable: Bool, allowing allowed: Abilities = .all, boot: BootID = .current
    ) throws(CASError) {
        self.path = path
        self.isWritable = isWritable
        self.boot = boot
        if isWritable {
            let made = path.withPlatformString { cplatform_make_folders($0) }
            if made < 0 { throw CASError(system: made, "cache folder \(path): cannot be made", writes: true) }
        }
        let descriptor = path.withPlatformString { cplatform_open_folder($0) }
        if descriptor < 0 { throw CASError(system: descriptor, "cache folder \(path): cannot be opened") }
        self.descriptor = descriptor
        do throws(CASError) {
            try Self.checkFormat(descriptor, path, creates: isWritable)
            abilities = isWritable ? try Self.prepare(descriptor, path, allowed) : allowed
        } catch {
            cplatform_close(descriptor)
            throw error
        }
    }

    deinit { cplatform_close(descriptor) }

    private static func checkFormat(_ folder: Int32, _ path: FilePath, creates: Bool) throws(CASError) {
        if let found = try read("format", in: folder, limit: 64) {
            let isKnown = format.withUTF8Buffer { found.elementsEqual($0) }
            if isKnown { return }
            // As it may be after a power failure: nothing is synchronised here, since that can take seconds.
            if found.allSatisfy({ $0 == 0 }) {
                if creates { try create("format", in: folder, path, content: format) }
                return
            }
            throw CASError(
                .incompatible,
                "cache folder \(path): was made by another version (\"format\" says "
                    + "\"\(String(decoding: found, as: UTF8.self).prefix { $0 != "\n" })\"); use another folder")
        }
        // The reference's caches look alike, but have no checksums and a quota of their own.
        for name in ["00", "cachedb", ".cvmfscache"] {
            var status = cplatform_status()
            guard cplatform_status_at(folder, name, &status) < 0 else {
                throw CASError(
                    .incompatible,
                    "cache folder \(path): holds another program's cache (there is \"\(name)\" but no "
                        + "\"format\"); use another folder, or read it with AlienCache")
            }
        }
        guard creates else {
            throw CASError(.incompatible, "cache folder \(path): is no cache (there is no \"format\")")
        }
        try create("format", in: folder, path, content: format)
    }

    /// Makes what is missing, removes what dead writers left, and finds out what the file system can do.
    private static func prepare(
        _ folder: Int32, _ path: FilePath, _ allowed: Abilities
    ) throws(CASError) -> Abilities {
        for name in ["txn", "pins"] {
            let made = cplatform_make_folder(folder, name)
            if made < 0 { throw CASError(system: made, "cache folder \(path): cannot make \(name)", writes: true) }
        }
        for lock in [Lock.eviction, .removal, .storing] {
            let file = try open(lock.rawValue, in: folder, path)
            cplatform_close(file)
        }
        UnfinishedFile.removeAbandoned(in: folder)
        var abilities: Abilities = []
        let name = "txn/probe-\(UInt64.random(in: 0 ... .max))"
        var file = cplatform_create_unnamed_file(folder, "txn")
        if file >= 0, cplatform_name_file(file, folder, name) >= 0 {
            abilities.insert(.unnamedFiles)
        } else {
            if file >= 0 { cplatform_close(file) }
            file = cplatform_create_file(folder, name)
            if file < 0 {
                let error = CASError(system: file, "cache folder \(path): cannot be written", writes: true)
                // Whoever stores something will make room; until then what nearly every file system has is assumed.
                if error.code == .noSpace { return allowed }
                throw error
            }
        }
        // Waiting, since another that opens the cache may look at the file at this moment.
        let locked = cplatform_lock(file, 0, 1)
        if locked < 0 {
            _ = cplatform_remove_file(folder, name)
            cplatform_close(file)
            throw CASError(system: locked, "cache folder \(path): its file system has no locks; use a local disk")
        }
        let hasAttributes = CheckRecord(size: 0, checksum: 0, boot: .current).withBytes { bytes in
            cplatform_set_attribute(file, attribute, bytes.baseAddress, Int32(bytes.count)) >= 0
        }
        if hasAttributes { abilities.insert(.attributes) }
        _ = cplatform_remove_file(folder, name)
        cplatform_close(file)
        return abilities.intersection(allowed)
    }

    // MARK: Small files

    /// The content of a small file, at most `limit` bytes of it; `nil` when there is none.
    static func read(_ name: String, in folder: Int32, limit: Int) throws(CASError) -> [UInt8]? {
        let file = cplatform_open_file(folder, name, 0)
        if file == -Errno.noSuchFileOrDirectory.rawValue { return nil }
        if file < 0 { throw CASError(system: file, "cache file \(name): cannot be opened") }
        defer { cplatform_close(file) }
        var failure: Int64 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
            let result = cplatform_read_at(file, buffer.baseAddress, Int64(limit), 0)
            failure = min(0, result)
            count = Int(max(0, result))
        }
        if failure < 0 { throw CASError(system: Int32(failure), "cache file \(name): cannot be read") }
        return bytes
    }

    /// Makes a small file, whole or not at all.
    private static func create(
        _ name: String, in folder: Int32, _ path: FilePath, content: StaticString
    ) throws(CASError) {
        let temporary = "\(name)-\(UInt64.random(in: 0 ... .max))"
        let file = cplatform_create_file(folder, temporary)
        if file < 0 { throw CASError(system: file, "cache folder \(path): cannot be written", writes: true) }
        defer { cplatform_close(file) }
        var result = cplatform_write_at(file, content.utf8Start, Int64(content.utf8CodeUnitCount), 0)
        if result >= 0 { result = cplatform_replace_file(folder, temporary, name) }
        guard result < 0 else { return }
        _ = cplatform_remove_file(folder, temporary)
        throw CASError(system: result, "cache folder \(path): cannot make \(name)", writes: true)
    }

    /// Opens a file for reading and writing, made if there is none.
    static func open(_ name: String, in folder: Int32, _ path: FilePath) throws(CASError) -> Int32 {
        while true {
            var file = cplatform_open_file(folder, name, 1)
            if file == -Errno.noSuchFileOrDirectory.rawValue { file = cplatform_create_file(folder, name) }
            // Another process may have made it in between.
            if file == -Errno.fileExists.rawValue { continue }
            if file < 0 { throw CASError(system: file, "cache file \(path)/\(name): cannot be opened", writes: true) }
            return file
        }
    }

    // MARK: Locks

    /// Runs `body` with a lock held; `nil` when it is taken and `waits` is false.
    ///
    /// Every holder opens the file for itself, so that threads of a process exclude each other as processes do.
    func withLock<Result>(
        _ lock: Lock, exclusively: Bool = true, waits: Bool = true, _ body: () throws(CASError) -> Result
    ) throws(CASError) -> Result? {
        let file = try Self.open(lock.rawValue, in: descriptor, path)
        // Closing the file gives the lock back.
        defer { cplatform_close(file) }
        let locked = cplatform_lock(file, exclusively ? 1 : 0, waits ? 1 : 0)
        if locked == -Errno.wouldBlock.rawValue { return nil }
        if locked < 0 { throw CASError(system: locked, "cache file \(path)/\(lock.rawValue): cannot be locked") }
        return try body()
    }
}

extension CASError {
    /// A failure that a function of `CPlatform` returned.
    /// - Parameter writes: whether it was an attempt to write, so that a refusal means that the place is read-only.
    init(system result: Int32, _ message: String, writes: Bool = false) {
        let errno = Errno(rawValue: -result)
        let code: Code =
            switch errno {
            case .noSpace, .diskQuotaExceeded: .noSpace
            case .readOnlyFileSystem: .readOnly
            case .permissionDenied, .notPermitted: writes ? .readOnly : .system
            default: .system
            }
        self.init(code, message, errno: errno)
    }
}

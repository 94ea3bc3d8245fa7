internal import CSQLite
internal import Synchronization

/// SQLite's way to a `DatabaseSource`: a VFS that opens nothing but sources, for reading.
///
/// SQLite's own VFS resolves `/dev/fd/N` to the file's name and opens that again, which fails for what has been evicted
/// meanwhile and reads whatever has taken its place. This one reads what the caller holds, on any system, in memory
/// too; it has no locks, no memory mapping (a truncated file would raise SIGBUS), and no temporary files.
enum SourceFileSystem {
    static let name = "swift-cvmfs-source"

    /// Files that are about to be opened, by the number in the name that SQLite is given for them.
    private static let announced = Mutex<(next: UInt64, files: [UInt64: SourceFile])>((0, [:]))

    /// Registers the VFS with SQLite on first use; the result of it.
    static let registration: Int32 = {
        guard sqlite3_threadsafe() != 0 else { return SQLITE_MISUSE }
        // SQLite keeps pointers to both structures for as long as the process lives.
        let system = UnsafeMutablePointer<sqlite3_vfs>.allocate(capacity: 1)
        system.initialize(to: makeFileSystem())
        return sqlite3_vfs_register(system, 0)
    }()

    /// Makes a name under which SQLite can open the file, during the call.
    static func withName<Result>(of file: SourceFile, _ body: (String) -> Result) -> Result {
        let number = announced.withLock { announced in
            announced.next += 1
            announced.files[announced.next] = file
            return announced.next
        }
        defer { announced.withLock { _ = $0.files.removeValue(forKey: number) } }
        return body(String(number))
    }

    private static func file(named name: UnsafePointer<CChar>) -> SourceFile? {
        guard let number = UInt64(String(cString: name)) else { return nil }
        return announced.withLock { $0.files[number] }
    }

    private static func makeFileSystem() -> sqlite3_vfs {
        var system = sqlite3_vfs()
        system.iVersion = 1
        system.szOsFile = Int32(MemoryLayout<csqlite_file>.size)
        system.mxPathname = 64
        let text = UnsafeMutablePointer<CChar>.allocate(capacity: name.utf8.count + 1)
        _ = UnsafeMutableBufferPointer(start: text, count: name.utf8.count + 1).initialize(from: name.utf8CString)
        system.zName = UnsafePointer(text)
        system.xOpen = { _, name, file, flags, outFlags in
            guard let file else { return SQLITE_CANTOPEN }
            file.pointee.pMethods = nil
            guard flags & SQLITE_OPEN_MAIN_DB != 0, let name, let source = SourceFileSystem.file(named: name) else {
                return SQLITE_CANTOPEN
            }
            file.withMemoryRebound(to: csqlite_file.self, capacity: 1) {
                $0.pointee.context = Unmanaged.passRetained(source).toOpaque()
            }
            file.pointee.pMethods = FileMethods.shared.pointer
            outFlags?.pointee = SQLITE_OPEN_READONLY
            return SQLITE_OK
        }
        system.xDelete = { _, _, _ in SQLITE_IOERR }
        system.xAccess = { _, _, _, result in
            result?.pointee = 0
            return SQLITE_OK
        }
        system.xFullPathname = { _, name, capacity, result in
            guard let name, let result else { return SQLITE_CANTOPEN }
            let text = String(cString: name).utf8CString
            guard text.count <= Int(capacity) else { return SQLITE_CANTOPEN }
            _ = UnsafeMutableBufferPointer(start: result, count: text.count).update(from: text)
            return SQLITE_OK
        }
        system.xRandomness = { _, count, bytes in
            bytes?.update(repeating: 0, count: Int(count))
            return count
        }
        system.xSleep = { _, microseconds in microseconds }
        system.xCurrentTime = { _, days in
            days?.pointee = 0
            return SQLITE_OK
        }
        system.xGetLastError = { _, _, _ in 0 }
        return system
    }
}

/// What SQLite calls an open file: the source, and why reading it failed last.
final class SourceFile: Sendable {
    let source: any DatabaseSource
    private let failure = Mutex<(any Error)?>(nil)

    init(_ source: any DatabaseSource) { self.source = source }

    /// Takes out the failure behind SQLite's last I/O error.
    func takeFailure() -> (any Error)? {
        failure.withLock { failure in
            defer { failure = nil }
            return failure
        }
    }

    fileprivate func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) -> Int32 {
        do {
            let wanted = min(Int64(buffer.count), max(0, source.size - offset))
            let count = try source.read(into: buffer, at: offset)
            if count == buffer.count { return SQLITE_OK }
            guard count >= wanted else {
                let end = offset + Int64(count)
                throw CatalogError(.truncated, "the file had \(source.size) bytes and now ends at \(end)")
            }
            UnsafeMutableRawBufferPointer(rebasing: buffer[count...]).initializeMemory(as: UInt8.self, repeating: 0)
            return csqlite_short_read
        } catch {
            failure.withLock { $0 = error }
            return SQLITE_IOERR
        }
    }
}

/// The methods of an open file, which live as long as the process.
///
/// `@unchecked`: the structure is written before `shared` exists and only read afterwards.
private final class FileMethods: @unchecked Sendable {
    static let shared = FileMethods()
    let pointer: UnsafePointer<sqlite3_io_methods>

    private init() {
        var methods = sqlite3_io_methods()
        methods.iVersion = 1
        methods.xClose = { file in
            guard let file else { return SQLITE_OK }
            file.withMemoryRebound(to: csqlite_file.self, capacity: 1) {
                if let context = $0.pointee.context { Unmanaged<SourceFile>.fromOpaque(context).release() }
                $0.pointee.context = nil
            }
            return SQLITE_OK
        }
        methods.xRead = { file, buffer, count, offset in
            guard let file, let buffer, offset >= 0, count >= 0 else { return SQLITE_IOERR }
            return file.withMemoryRebound(to: csqlite_file.self, capacity: 1) {
                guard let context = $0.pointee.context else { return SQLITE_IOERR }
                return Unmanaged<SourceFile>.fromOpaque(context)._withUnsafeGuaranteedRef {
                    $0.read(into: UnsafeMutableRawBufferPointer(start: buffer, count: Int(count)), at: offset)
                }
            }
        }
        methods.xWrite = { _, _, _, _ in SQLITE_IOERR }
        methods.xTruncate = { _, _ in SQLITE_IOERR }
        methods.xSync = { _, _ in SQLITE_OK }
        methods.xFileSize = { file, size in
            guard let file else { return SQLITE_IOERR }
            return file.withMemoryRebound(to: csqlite_file.self, capacity: 1) {
                guard let context = $0.pointee.context else { return SQLITE_IOERR }
                size?.pointee = Unmanaged<SourceFile>.fromOpaque(context).takeUnretainedValue().source.size
                return SQLITE_OK
            }
        }
        methods.xLock = { _, _ in SQLITE_OK }
        methods.xUnlock = { _, _ in SQLITE_OK }
        methods.xCheckReservedLock = { _, result in
            result?.pointee = 0
            return SQLITE_OK
        }
        methods.xFileControl = { _, _, _ in SQLITE_NOTFOUND }
        methods.xSectorSize = { _ in 4096 }
        // Immutable: no locks, no look for a journal, no check for changes between two queries.
        methods.xDeviceCharacteristics = { _ in SQLITE_IOCAP_IMMUTABLE }
        let memory = UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)
        memory.initialize(to: methods)
        pointer = UnsafePointer(memory)
    }
}

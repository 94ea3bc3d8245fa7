import CSQLite3
import CVMFS
import Foundation
import Synchronization

/// An image as a file system of SQLite's (a VFS): its pages are read straight out of the repository, without FUSE and
/// without a copy of the file.
final class ImageFileSystem: Sendable {
    static let name = "image"
    private let image: Image
    /// Bytes that SQLite has asked for.
    let bytesRead = Atomic<Int64>(0)

    init(_ image: Image) { self.image = image }

    /// Makes it known to SQLite, for as long as the process lives.
    func register() {
        let vfs = UnsafeMutablePointer<sqlite3_vfs>.allocate(capacity: 1)
        let usual = sqlite3_vfs_find(nil)!.pointee
        // Time, randomness and sleep stay the system's.
        vfs.initialize(to: usual)
        vfs.pointee.szOsFile = Int32(MemoryLayout<OpenFile>.stride)
        vfs.pointee.mxPathname = 4096
        vfs.pointee.pNext = nil
        vfs.pointee.zName = UnsafePointer(strdup(Self.name))
        vfs.pointee.pAppData = Unmanaged.passRetained(self).toOpaque()
        vfs.pointee.xOpen = { vfs, path, file, _, flags in
            guard let vfs, let path, let file else { return SQLITE_CANTOPEN }
            let files = Unmanaged<ImageFileSystem>.fromOpaque(vfs.pointee.pAppData).takeUnretainedValue()
            return files.open(ImagePath(String(cString: path)), as: file, flags)
        }
        // Journals and the like: there are none, and none can be made.
        vfs.pointee.xAccess = { _, _, _, result in
            result?.pointee = 0
            return SQLITE_OK
        }
        vfs.pointee.xDelete = { _, _, _ in SQLITE_READONLY }
        vfs.pointee.xFullPathname = { _, path, capacity, full in
            guard let path, let full, strlen(path) < Int(capacity) else { return SQLITE_CANTOPEN }
            strcpy(full, path)
            return SQLITE_OK
        }
        sqlite3_vfs_register(vfs, 0)
    }

    private func open(
        _ path: ImagePath, as memory: UnsafeMutablePointer<sqlite3_file>, _ flags: UnsafeMutablePointer<Int32>?
    ) -> Int32 {
        memory.pointee.pMethods = nil
        guard let file = waiting({ [image] in try await image.file(path) }) else { return SQLITE_CANTOPEN }
        memory.withMemoryRebound(to: OpenFile.self, capacity: 1) { opened in
            opened.initialize(
                to: OpenFile(
                    base: sqlite3_file(pMethods: Self.methods),
                    content: Unmanaged.passRetained(Content(file: file, files: self))))
        }
        flags?.pointee = SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB
        return SQLITE_OK
    }

    /// What SQLite keeps for each open file; its own part comes first.
    private struct OpenFile {
        var base: sqlite3_file
        var content: Unmanaged<Content>
    }

    private final class Content: Sendable {
        let file: File
        let files: ImageFileSystem

        init(file: File, files: ImageFileSystem) {
            self.file = file
            self.files = files
        }

        static func of(_ memory: UnsafeMutablePointer<sqlite3_file>?) -> Unmanaged<Content>? {
            memory?.withMemoryRebound(to: OpenFile.self, capacity: 1) { $0.pointee.content }
        }

        /// Fills SQLite's buffer; what lies behind the file's end reads as zeros.
        func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) -> Int32 {
            files.bytesRead.add(Int64(buffer.count), ordering: .relaxed)
            var done = 0
            while done < buffer.count {
                let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
                let position = offset + Int64(done)
                // What is cached is read at once, on this thread; only a miss waits for the network.
                if let count = (try? file.readCached(into: rest, at: position)) ?? nil {
                    if count == 0 { break }
                    done += count
                    continue
                }
                let (wanted, file) = (rest.count, file)
                guard let bytes = waiting({ try await file.read(wanted, at: position) }) else {
                    return failedRead
                }
                if bytes.isEmpty { break }
                rest.copyBytes(from: bytes)
                done += bytes.count
            }
            guard done < buffer.count else { return SQLITE_OK }
            UnsafeMutableRawBufferPointer(rebasing: buffer[done...]).initializeMemory(as: UInt8.self, repeating: 0)
            return shortRead
        }
    }

    /// Read-only and never changing: so there is nothing to lock, to write or to flush.
    nonisolated(unsafe) private static let methods: UnsafePointer<sqlite3_io_methods> = {
        let methods = UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)
        var io = sqlite3_io_methods()
        io.iVersion = 1
        io.xClose = { memory in
            Content.of(memory)?.release()
            return SQLITE_OK
        }
        io.xRead = { memory, buffer, count, offset in
            guard let content = Content.of(memory)?.takeUnretainedValue() else { return failedRead }
            return content.read(into: UnsafeMutableRawBufferPointer(start: buffer, count: Int(count)), at: offset)
        }
        io.xWrite = { _, _, _, _ in SQLITE_READONLY }
        io.xTruncate = { _, _ in SQLITE_READONLY }
        io.xSync = { _, _ in SQLITE_OK }
        io.xFileSize = { memory, size in
            size?.pointee = Content.of(memory)?.takeUnretainedValue().file.size ?? 0
            return SQLITE_OK
        }
        io.xLock = { _, _ in SQLITE_OK }
        io.xUnlock = { _, _ in SQLITE_OK }
        io.xCheckReservedLock = { _, result in
            result?.pointee = 0
            return SQLITE_OK
        }
        io.xFileControl = { _, _, _ in SQLITE_NOTFOUND }
        io.xSectorSize = { _ in 4096 }
        io.xDeviceCharacteristics = { _ in SQLITE_IOCAP_IMMUTABLE }
        methods.initialize(to: io)
        return UnsafePointer(methods)
    }()
}

// The header's own are sums that Swift does not see.
private let failedRead = SQLITE_IOERR | 1 << 8
private let shortRead = SQLITE_IOERR | 2 << 8

private final class Answer<Value: Sendable>: Sendable {
    private let value = Mutex<Value?>(nil)
    private let done = DispatchSemaphore(value: 0)

    func give(_ value: Value?) {
        self.value.withLock { $0 = value }
        done.signal()
    }

    func wait() -> Value? {
        done.wait()
        return value.withLock { $0 }
    }
}

/// SQLite is not async, so its thread waits here: one of its own, never one of Swift's pool, which must not block.
private func waiting<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) -> Value? {
    let answer = Answer<Value>()
    Task { answer.give(try? await body()) }
    return answer.wait()
}

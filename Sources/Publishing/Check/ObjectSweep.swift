internal import CASCore
internal import CPlatform
internal import Synchronization
internal import SystemPackage

/// Hashes every object in a storage, one of the 256 folders at a time.
final class ObjectSweep: Sendable {
    /// What was found so far.
    struct Progress: Sendable {
        var objects = 0
        var bytes: Int64 = 0
        var contentBytes: Int64 = 0
        var damaged: [(object: ObjectID, kind: CheckDefect.Kind, detail: String)] = []
    }

    private let storage: LocalStorage
    /// Says what size an object's content must have, when it is to be unpacked; `nil`: only hashed.
    private let ledger: ReferenceLedger?
    private let progress = Mutex(Progress())
    private let nextFolder = Atomic<Int>(0)
    /// What was found in each of the 256 folders, 32 bytes an object.
    private let names = Mutex([[StoredName]](repeating: [], count: 256))

    /// - Parameter ledger: unpacks what catalogs need, and compares the sizes.
    init(_ storage: LocalStorage, unpacking ledger: ReferenceLedger?) {
        self.storage = storage
        self.ledger = ledger
    }

    var found: Progress { progress.withLock { $0 } }

    /// Hashes what nobody else is at, to the end; as many threads as there are do it together.
    /// - Parameter folderDone: called after each of the 256 folders.
    func work(_ folderDone: () -> Void) throws {
        let buffer = Self.buffer()
        defer { buffer.deallocate() }
        while true {
            let number = nextFolder.wrappingAdd(1, ordering: .relaxed).oldValue
            guard number < 256 else { return }
            let folder = UInt8(number)
            let sizes = ledger?.sizes(in: folder) ?? [:]
            let objects = try storage.names(inFolder: folder)
            for object in objects {
                try Task.checkCancellation()
                try check(object, sizes, buffer)
            }
            let found = objects.map(StoredName.init)
            names.withLock { $0[number] = found }
            folderDone()
        }
    }

    /// The objects that were in one of the folders.
    func names(in folder: UInt8) -> [StoredName] { names.withLock { $0[Int(folder)] } }

    /// Hashes an object that has come after its folder was looked at.
    func check(late object: ObjectID) throws {
        let buffer = Self.buffer()
        defer { buffer.deallocate() }
        let first = object.hash.withDigest { $0.unsafeLoad(as: UInt8.self) }
        try check(object, ledger?.sizes(in: first) ?? [:], buffer)
    }

    private static func buffer() -> UnsafeMutableRawBufferPointer {
        .allocate(byteCount: CheckLimits.readBytes, alignment: 4096)
    }

    private func check(
        _ object: ObjectID, _ sizes: [ReferenceLedger.Key: Int64], _ buffer: UnsafeMutableRawBufferPointer
    ) throws {
        let input = cplatform_open_file(storage.folder, object.serverPath, 0)
        // Somebody's collection may have taken it meanwhile: if it is needed, that shows as missing.
        if input == -Errno.noSuchFileOrDirectory.rawValue { return }
        guard input >= 0 else { throw storage.failure(input, object.serverPath, "cannot be opened") }
        defer { cplatform_close(input) }
        let zlib = ReferenceLedger.Key(ObjectID(object.hash, kind: object.kind, compression: .zlib))
        let plain = ReferenceLedger.Key(ObjectID(object.hash, kind: object.kind, compression: .none))
        let stored: Int64
        do throws(CASError) {
            if let size = sizes[zlib] {
                stored = try unpack(zlib.object, size, input, buffer)
            } else {
                stored = try hash(object, input, buffer)
            }
        } catch {
            let kind: CheckDefect.Kind =
                error.code == .sizeMismatch || error.code == .tooLarge ? .wrongSize : .corruptObject
            return damaged(zlib.object, kind, "\(error)")
        }
        let isPlain = sizes[plain] != nil
        progress.withLock { progress in
            progress.objects += 1
            progress.bytes += stored
            if isPlain { progress.contentBytes += stored }
        }
        if let size = sizes[plain], size >= 0, size != stored {
            damaged(plain.object, .wrongSize, "it has \(stored) bytes, and a catalog says \(size)")
        }
    }

    private func hash(
        _ object: ObjectID, _ input: Int32, _ buffer: UnsafeMutableRawBufferPointer
    ) throws(CASError) -> Int64 {
        var hasher = ContentHasher(object.hash.algorithm)
        let bytes = try read(input, buffer) { piece throws(CASError) in hasher.update(piece) }
        let hash = hasher.finalize()
        guard hash == object.hash else { throw CASError(.hashMismatch, "its bytes have the hash \(hash)") }
        return bytes
    }

    /// Hashes and unpacks in one go.
    private func unpack(
        _ object: ObjectID, _ size: Int64, _ input: Int32, _ buffer: UnsafeMutableRawBufferPointer
    ) throws(CASError) -> Int64 {
        let decoder = ContentDecoder(
            id: object, size: size >= 0 ? .exactly(size) : .atMost(Limits.unknownObjectBytes), output: NoOutput())
        try decoder.restart(expectedLength: nil)
        let bytes = try read(input, buffer) { piece throws(CASError) in try decoder.write(piece) }
        try decoder.finish()
        if let result = decoder.result { progress.withLock { $0.contentBytes += result.size } }
        return bytes
    }

    private func read(
        _ input: Int32, _ buffer: UnsafeMutableRawBufferPointer, _ take: (RawSpan) throws(CASError) -> Void
    ) throws(CASError) -> Int64 {
        var offset: Int64 = 0
        while true {
            let count = cplatform_read_at(input, buffer.baseAddress, Int64(buffer.count), offset)
            guard count >= 0 else {
                throw CASError(.system, "it cannot be read", errno: Errno(rawValue: Int32(-count)))
            }
            if count > 0 {
                let piece = UnsafeRawBufferPointer(rebasing: buffer[..<Int(count)]).bytes
                try take(piece)
            }
            offset += count
            if count < buffer.count { return offset }
        }
    }

    private func damaged(_ object: ObjectID, _ kind: CheckDefect.Kind, _ detail: String) {
        progress.withLock { $0.damaged.append((object, kind, detail)) }
    }
}

/// Takes content, and forgets it.
private final class NoOutput: ContentOutput {
    func restart() throws(CASError) {}

    func write(_ bytes: RawSpan) throws(CASError) {}
}

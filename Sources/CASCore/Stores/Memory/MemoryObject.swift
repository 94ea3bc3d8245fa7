internal import CPlatform
internal import Synchronization
internal import SystemPackage

/// The bytes that all contents of a store take, also those that are no longer in its table but still open.
final class MemoryLedger: Sendable {
    private let total = Atomic<Int64>(0)

    var bytes: Int64 { total.load(ordering: .relaxed) }

    func add(_ bytes: Int64) { total.add(bytes, ordering: .relaxed) }
}

/// The content of an object in memory; the store's table and every handle share it.
final class MemoryContent: Sendable {
    let bytes: [UInt8]
    private let ledger: MemoryLedger
    /// Made when someone wants a descriptor: few do, and each costs the content once more.
    private let file = Mutex<Int32?>(nil)

    init(_ bytes: [UInt8], _ ledger: MemoryLedger) {
        self.bytes = bytes
        self.ledger = ledger
        ledger.add(Int64(bytes.count))
    }

    deinit {
        let file = file.withLock { $0 }
        if let file { cplatform_close(file) }
        ledger.add(-Int64(bytes.count) * (file == nil ? 1 : 2))
    }

    /// A descriptor of a file in memory with this content, which nobody can change.
    func descriptor(_ id: ObjectID) throws(CASError) -> Int32 {
        try file.withLock { file throws(CASError) in
            if let file { return file }
            let made = cplatform_create_memory_file("cvmfs-object")
            if made < 0 { throw CASError(system: made, "object \(id): no memory file can be made for it") }
            var result = bytes.withUnsafeBytes { cplatform_write_at(made, $0.baseAddress, Int64($0.count), 0) }
            if result >= 0 { result = cplatform_seal_memory_file(made) }
            if result < 0 {
                cplatform_close(made)
                throw CASError(system: result, "object \(id): its memory file cannot be written")
            }
            ledger.add(Int64(bytes.count))
            file = made
            return made
        }
    }
}

/// A handle on an object in memory. The store can tell by the references to its content whether there is any.
final class MemoryObject: StoredObject {
    let id: ObjectID
    private let content: MemoryContent

    init(_ id: ObjectID, _ content: MemoryContent) {
        self.id = id
        self.content = content
    }

    var size: Int64 { Int64(content.bytes.count) }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(CASError) -> Int {
        guard offset >= 0, offset < size else { return 0 }
        let start = Int(offset)
        let count = min(buffer.count, content.bytes.count - start)
        content.bytes.withUnsafeBytes { bytes in
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[start..<start + count]))
        }
        return count
    }

    func withDescriptor<Result>(_ body: (FileDescriptor) throws -> Result) throws -> Result {
        try body(FileDescriptor(rawValue: content.descriptor(id)))
    }
}

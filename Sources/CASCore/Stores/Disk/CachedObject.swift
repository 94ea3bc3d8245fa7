internal import CPlatform
internal import SystemPackage

/// An object in a `DiskStore`, open.
///
/// It is locked (shared) as long as it is open, which keeps it from eviction by any process; the kernel gives the lock
/// back with the last duplicate of the descriptor, also when the process is killed.
final class CachedObject: StoredObject {
    let id: ObjectID
    let size: Int64
    private let descriptor: Int32
    private let files: ObjectFiles

    /// Takes the descriptor over.
    init(_ id: ObjectID, size: Int64, descriptor: Int32, files: ObjectFiles) {
        self.id = id
        self.size = size
        self.descriptor = descriptor
        self.files = files
    }

    deinit { cplatform_close(descriptor) }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(CASError) -> Int {
        guard offset >= 0, offset < size else { return 0 }
        let count = min(Int64(buffer.count), size - offset)
        let result = cplatform_read_at(descriptor, buffer.baseAddress, count, offset)
        if result == count { return Int(count) }
        throw damage(result, offset)
    }

    func withDescriptor<Result>(_ body: (FileDescriptor) throws -> Result) throws -> Result {
        try body(FileDescriptor(rawValue: descriptor))
    }

    var isInMemory: Bool { cplatform_is_in_memory(descriptor) != 0 }

    func willBeRead(_ bytes: Int64) { cplatform_will_read(descriptor, min(bytes, size)) }

    /// The disk does not give what it once took: drops the file, so that the next one to ask gets the object anew.
    private func damage(_ result: Int64, _ offset: Int64) -> CASError {
        try? files.drop(id, file: descriptor)
        return CASError(
            .damagedCache,
            "object \(id) in cache \(files.folder.path): cannot be read at \(offset) any more and has been "
                + "dropped; get it again", errno: result < 0 ? Errno(rawValue: Int32(-result)) : nil)
    }
}

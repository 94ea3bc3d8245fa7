public import SystemPackage

/// A handle on the verified, unpacked content of an object.
///
/// While a handle exists its object stays readable and is not evicted. Reading is synchronous: the bytes are local.
public protocol StoredObject: AnyObject, Sendable {
    var id: ObjectID { get }

    /// Unpacked size in bytes.
    var size: Int64 { get }

    /// Reads up to `buffer.count` bytes from `offset`; fewer only at the end of the content.
    /// - Returns: the number of bytes read; 0 at or after the end.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(CASError) -> Int

    /// A file descriptor of the content, for `pread`, `mmap`, `sendfile` or passthrough, valid during the call.
    ///
    /// The descriptor is shared: do not close it, move its offset or write to it. `dup` it to keep it; a duplicate
    /// keeps the object from eviction too.
    func withDescriptor<Result>(_ body: (FileDescriptor) throws -> Result) throws -> Result
}

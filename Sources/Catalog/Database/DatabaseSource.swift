internal import CASCore
internal import SystemPackage

/// Where the bytes of a database come from. Whoever holds it keeps them readable.
protocol DatabaseSource: AnyObject, Sendable {
    /// Bytes in the file when it was opened. A cached object never changes, so later reads must agree with it.
    var size: Int64 { get }

    /// Reads up to `buffer.count` bytes; fewer only at the end of the file.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws -> Int
}

/// A file read through a descriptor with `pread`, so that its name may vanish meanwhile.
final class DescriptorSource: DatabaseSource {
    let size: Int64
    private let descriptor: FileDescriptor
    private let closesDescriptor: Bool
    private let owner: (any Sendable)?

    init(opening path: FilePath) throws {
        descriptor = try FileDescriptor.open(path, .readOnly, options: .closeOnExec)
        closesDescriptor = true
        owner = nil
        size = try Int64(descriptor.stat().size)
    }

    /// - Parameter owner: kept until the source is gone, so that it can keep the descriptor open.
    init(descriptor: FileDescriptor, keeping owner: (any Sendable)?) throws {
        self.descriptor = descriptor
        self.owner = owner
        closesDescriptor = false
        size = try Int64(descriptor.stat().size)
    }

    deinit { if closesDescriptor { try? descriptor.close() } }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws -> Int {
        var count = 0
        while count < buffer.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[count...])
            let read = try descriptor.read(fromAbsoluteOffset: offset + Int64(count), into: rest)
            if read == 0 { break }
            count += read
        }
        return count
    }
}

/// An object of a store, in memory or on disk; its handle keeps it from eviction.
final class ObjectSource: DatabaseSource {
    let size: Int64
    private let object: any StoredObject

    init(_ object: any StoredObject) {
        self.object = object
        size = object.size
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws -> Int {
        try object.read(into: buffer, at: offset)
    }
}

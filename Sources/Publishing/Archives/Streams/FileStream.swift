internal import SystemPackage

/// The bytes of an open file, from where it stands to its end; also of a pipe or a device.
final class FileStream: ByteStream {
    let label: String
    private let descriptor: FileDescriptor
    private let closes: Bool

    init(at path: FilePath) throws(PublishingError) {
        do {
            descriptor = try FileDescriptor.open(path, .readOnly, options: [.closeOnExec])
        } catch {
            throw PublishingError(.source, "\(path) cannot be opened for reading", cause: error)
        }
        label = path.string
        closes = true
    }

    /// - Parameter descriptor: stays the caller's, who closes it after the last read.
    init(_ descriptor: FileDescriptor, label: String) {
        self.descriptor = descriptor
        self.label = label
        closes = false
    }

    deinit { if closes { try? descriptor.close() } }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(PublishingError) -> Int {
        do {
            return try descriptor.read(into: buffer)
        } catch {
            throw PublishingError(.source, "\(label) cannot be read", cause: error)
        }
    }
}

/// A part of a file that can be read anywhere; several may be open on one file.
final class FileSection: ByteStream {
    let label: String
    private let file: SharedFile
    private var offset: Int64
    private let end: Int64

    init(of file: SharedFile, label: String, offset: Int64, size: Int64) {
        self.file = file
        self.label = label
        self.offset = offset
        end = offset + size
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(PublishingError) -> Int {
        let wanted = Int(min(Int64(buffer.count), end - offset))
        if wanted == 0 { return 0 }
        let count: Int
        do {
            count = try file.descriptor.read(
                fromAbsoluteOffset: offset, into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]))
        } catch {
            throw PublishingError(.source, "\(file.path) cannot be read", cause: error)
        }
        guard count > 0 else {
            throw PublishingError(.source, "\(file.path) is truncated: \(end - offset) bytes of \(label) are missing")
        }
        offset += Int64(count)
        return count
    }
}

/// An open file whose parts are read by `FileSection`s.
final class SharedFile: Sendable {
    let path: FilePath
    let descriptor: FileDescriptor

    init(at path: FilePath) throws(PublishingError) {
        self.path = path
        do {
            descriptor = try FileDescriptor.open(path, .readOnly, options: [.closeOnExec])
        } catch {
            throw PublishingError(.source, "\(path) cannot be opened for reading", cause: error)
        }
    }

    deinit { try? descriptor.close() }
}

/// Bytes in memory.
final class MemoryStream: ByteStream {
    let label: String
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8], label: String) {
        self.bytes = bytes
        self.label = label
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(buffer.count, bytes.count - position)
        bytes.withUnsafeBytes {
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[position..<position + count]))
        }
        position += count
        return count
    }
}

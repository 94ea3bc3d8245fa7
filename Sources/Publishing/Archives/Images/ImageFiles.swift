internal import CASCore
package import SystemPackage

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// The files that an image consists of: those of a folder, or of a tar archive.
///
/// An archive stays packed. Its files are read where they lie; of a compressed one each is unpacked up to its place.
package final class ImageFiles {
    /// A file of an archive.
    enum Member {
        case file(offset: Int64, size: Int64)
        /// A link to another file, by its name.
        case link(String)
    }

    private enum Form {
        case folder
        case archive(SharedFile, isCompressed: Bool, members: [String: Member], ArchiveBounds)
    }

    package let path: FilePath
    private let form: Form

    /// The files of a folder.
    init(folder path: FilePath) {
        self.path = path
        form = .folder
    }

    /// The files of an archive whose members are known.
    init(
        archive path: FilePath, isCompressed: Bool, members: [String: Member], bounds: ArchiveBounds
    ) throws(PublishingError) {
        self.path = path
        form = .archive(try SharedFile(at: path), isCompressed: isCompressed, members: members, bounds)
    }

    func has(_ name: String) throws(PublishingError) -> Bool { try open(name) != nil }

    /// The file with that name, such as `blobs/sha256/…`; `nil` when there is none.
    func open(_ name: String) throws(PublishingError) -> (any ByteStream)? {
        guard Self.isPlain(name) else {
            throw PublishingError(.source, "\(path): the image names a file \"\(name.prefix(200))\" outside of itself")
        }
        switch form {
        case .folder:
            var status = stat()
            let file = path.appending(name)
            guard stat(file.string, &status) == 0 else {
                if errno == ENOENT || errno == ENOTDIR { return nil }
                throw PublishingError(.source, "\(file) cannot be read", cause: Errno(rawValue: errno))
            }
            guard status.st_mode & S_IFMT == S_IFREG else {
                throw PublishingError(.source, "\(file) should be a file of an image, and is none")
            }
            return try FileStream(at: file)
        case .archive(let file, let isCompressed, let members, let bounds):
            guard let (offset, size) = try find(name, in: members) else { return nil }
            let label = "\(path)(\(name))"
            guard isCompressed else { return FileSection(of: file, label: label, offset: offset, size: size) }
            let plain = try DecompressedStream(try FileStream(at: path), bounds: bounds)
            return try StreamSection(of: plain, label: label, offset: offset, size: size)
        }
    }

    /// A short file, whole.
    func document(_ name: String) throws(PublishingError) -> [UInt8]? {
        try open(name)?.readAll(limit: ImageLimits.documentBytes)
    }

    /// A short file that must be there, verified.
    func document(_ name: String, digest: SHA256Digest, size: Int64?, what: String) throws(PublishingError) -> [UInt8] {
        guard let stream = try open(name) else { throw missing(name, what) }
        return try VerifiedStream(stream, digest: digest, size: size, what: what)
            .readAll(limit: ImageLimits.documentBytes)
    }

    func missing(_ name: String, _ what: String) -> PublishingError {
        PublishingError(.source, "\(path) lacks \(what) (\(name)): the image is incomplete")
    }

    private func find(
        _ name: String, in members: [String: Member]
    ) throws(PublishingError) -> (offset: Int64, size: Int64)? {
        var name = name
        for _ in 0...ImageLimits.links {
            switch members[name] {
            case nil: return nil
            case .file(let offset, let size): return (offset, size)
            case .link(let target): name = target
            }
        }
        throw PublishingError(.source, "\(path): \"\(name.prefix(200))\" is a link to a link without end")
    }

    /// Relative, and without `..`.
    private static func isPlain(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= ArchiveLimits.pathBytes && !name.utf8.contains(0)
            && name.split(separator: "/", omittingEmptySubsequences: false).allSatisfy {
                !$0.isEmpty && $0 != ".." && $0 != "."
            }
    }
}

/// A part of a stream that can only be read from its start.
private final class StreamSection: ByteStream {
    let label: String
    private let stream: DecompressedStream
    private var left: Int64

    init(of stream: DecompressedStream, label: String, offset: Int64, size: Int64) throws(PublishingError) {
        self.stream = stream
        self.label = label
        left = size
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 128 << 10, alignment: 16)
        defer { buffer.deallocate() }
        var before = offset
        while before > 0 {
            let wanted = Int(min(before, Int64(buffer.count)))
            let count = try stream.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]))
            guard count > 0 else { throw truncated }
            before -= Int64(count)
        }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(PublishingError) -> Int {
        let wanted = Int(min(Int64(buffer.count), left))
        if wanted == 0 { return 0 }
        let count = try stream.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]))
        guard count > 0 else { throw truncated }
        left -= Int64(count)
        return count
    }

    private var truncated: PublishingError { PublishingError(.source, "\(label) is truncated") }
}

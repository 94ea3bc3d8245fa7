internal import CASCore
internal import CPlatform
internal import SystemPackage

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// An object that is packed piece by piece into a file, since its content is too large for memory. Always by zlib: its
/// bytes do not depend on how it is fed, and the other library cannot stream.
struct StreamedObject: ~Copyable {
    private let path: String
    private let descriptor: Int32
    private let output: FileOutput
    private var hasher: ContentHasher
    private var plainHasher: StrongHasher
    private var deflater: Deflater?

    init(in folder: String, algorithm: HashAlgorithm, compression: Compression) throws(PublishingError) {
        let path = "\(folder)/\(FreeName.make())"
        let deflater = try Self.deflater(for: compression)
        let descriptor = try Self.create(path)
        self.deflater = deflater
        self.descriptor = descriptor
        self.path = path
        output = FileOutput(descriptor: descriptor, label: path)
        hasher = ContentHasher(algorithm)
        plainHasher = StrongHasher()
    }

    private static func deflater(for compression: Compression) throws(PublishingError) -> Deflater? {
        guard compression == .zlib else { return nil }
        do throws(CASError) {
            return try Deflater()
        } catch {
            throw PublishingError(.storage, "content cannot be packed", cause: error)
        }
    }

    private static func create(_ path: String) throws(PublishingError) -> Int32 {
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw PublishingError(.storage, "\(path): cannot be made", cause: Errno(rawValue: errno))
        }
        return descriptor
    }

    deinit {
        close(descriptor)
        unlink(path)
    }

    mutating func write(_ plain: UnsafeRawBufferPointer) throws(PublishingError) {
        plainHasher.update(plain)
        try packing { (deflater, keep) throws(CASError) in
            if deflater == nil { try keep(plain.bytes) } else { try deflater?.update(plain.bytes, keep) }
        }
    }

    /// The digest of the content that was fed.
    mutating func plainDigest() -> StrongDigest {
        var hasher = StrongHasher()
        swap(&hasher, &plainHasher)
        return hasher.finalize()
    }

    /// Ends the object. The file is there until this value is gone, or whoever takes it has taken it.
    mutating func finish() throws(PublishingError) -> (stored: StoredBytes, hash: ContentHash) {
        try packing { (deflater, keep) throws(CASError) in try deflater?.finish(keep) }
        return (.file(at: path), hasher.finalize())
    }

    private mutating func packing(
        _ body: (inout Deflater?, (RawSpan) throws(CASError) -> Void) throws(CASError) -> Void
    ) throws(PublishingError) {
        // What the closures change is taken out, since they cannot both borrow `self`.
        var hasher = ContentHasher(.sha1)
        swap(&hasher, &self.hasher)
        defer { swap(&hasher, &self.hasher) }
        let output = output
        do throws(CASError) {
            try body(&deflater) { (piece) throws(CASError) in
                hasher.update(piece)
                try output.write(piece)
            }
        } catch {
            throw PublishingError(.storage, "\(path): cannot be written", cause: error)
        }
    }
}

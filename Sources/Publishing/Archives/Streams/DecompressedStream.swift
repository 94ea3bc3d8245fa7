internal import CASCore
internal import CArchive

/// How a stream is compressed, told by its first bytes.
package enum StreamCompression: String, Sendable {
    case none, gzip, bzip2, xz, zstd

    /// Bytes that must be known to tell.
    static let magicBytes = 6

    init(magic: some Collection<UInt8>) {
        let bytes = Array(magic.prefix(Self.magicBytes))
        func begins(_ magic: [UInt8]) -> Bool { bytes.starts(with: magic) }
        if begins([0x1F, 0x8B]) {
            self = .gzip
        } else if begins([0x42, 0x5A, 0x68]) {
            self = .bzip2
        } else if begins([0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00]) {
            self = .xz
        } else if begins([0x28, 0xB5, 0x2F, 0xFD])
            || bytes.count >= 4 && (0x50...0x5F).contains(bytes[0]) && bytes[1...3] == [0x2A, 0x4D, 0x18]
        {
            self = .zstd
        } else {
            self = .none
        }
    }
}

/// The plain bytes of a stream that may be compressed, in one layer: what is compressed twice stays so once.
///
/// It keeps to the bounds on expansion, so that a small archive cannot keep a publisher busy for ever.
final class DecompressedStream: ByteStream {
    let compression: StreamCompression
    private let source: any ByteStream
    private let bounds: ArchiveBounds
    /// The first bytes, which were read to tell the compression.
    private var head: ArraySlice<UInt8>
    private var handle: OpaquePointer?
    private(set) var compressedBytes: Int64 = 0
    private(set) var plainBytes: Int64 = 0
    private let plainDigest: SHA256Digest?
    private var hasher: StrongHasher?
    /// What the source threw inside libarchive's call.
    private var failure: PublishingError?

    /// - Parameter plainDigest: of the plain bytes, which must be those; `nil` when nothing says what they are.
    init(
        _ source: any ByteStream, bounds: ArchiveBounds, plainDigest: SHA256Digest? = nil
    ) throws(PublishingError) {
        self.source = source
        self.plainDigest = plainDigest
        hasher = plainDigest == nil ? nil : StrongHasher()
        self.bounds = bounds
        var magic = [UInt8](repeating: 0, count: StreamCompression.magicBytes)
        let count = try Self.fill(&magic, from: source)
        head = magic[..<count]
        compression = StreamCompression(magic: head)
        guard let filter = Self.filter(of: compression) else { return }
        if let problem = carchive_load() {
            throw PublishingError(
                .unsupported,
                "libarchive, which unpacks \(compression) archives, cannot be loaded (\(String(cString: problem))): "
                    + "install it (Debian: apt-get install libarchive13)")
        }
        // The stream is closed before this object goes, and calls back only inside `read`.
        handle = carchive_open(
            filter,
            { context, buffer, count in
                guard let context, let buffer else { return -1 }
                return Unmanaged<DecompressedStream>.fromOpaque(context).takeUnretainedValue()
                    .deliver(UnsafeMutableRawBufferPointer(start: buffer, count: count))
            }, Unmanaged.passUnretained(self).toOpaque())
        guard handle != nil else { throw PublishingError(.source, "\(label): no memory to unpack it") }
    }

    deinit { if let handle { carchive_close(handle) } }

    var label: String { source.label }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(PublishingError) -> Int {
        let count = handle == nil ? try readHead(buffer) : try unpack(buffer)
        if count > 0 {
            hasher?.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            plainBytes += Int64(count)
            try check(contentBytes: plainBytes)
        } else if let hasher = hasher.take(), let plainDigest, SHA256Digest(hasher.finalize()) != plainDigest {
            throw PublishingError(
                .source,
                "\(label) does not unpack to \(plainDigest), which the image's configuration says it does")
        }
        return count
    }

    /// Reads the source to its end, which may lie behind the end of what it unpacks to.
    func drainSource() throws(PublishingError) {
        try drain()
        try source.drain()
    }

    /// Throws when so much content is more than these compressed bytes may stand for.
    func check(contentBytes: Int64) throws(PublishingError) {
        guard contentBytes <= bounds.contentBytes else {
            throw PublishingError(
                .source, "\(label) unpacks to more than \(bounds.contentBytes) bytes, the limit for one archive")
        }
        guard contentBytes <= bounds.expansionAllowance || contentBytes / bounds.expansion <= compressedBytes else {
            throw PublishingError(
                .source,
                "\(label) unpacks to more than \(bounds.expansion) times its size: it looks like a decompression bomb")
        }
    }

    private func unpack(_ buffer: UnsafeMutableRawBufferPointer) throws(PublishingError) -> Int {
        guard let handle else { return 0 }
        let count = carchive_read(handle, buffer.baseAddress, buffer.count)
        if let failure { throw failure }
        guard count >= 0 else {
            throw PublishingError(
                .source,
                "\(label) is damaged or truncated: its \(compression) stream cannot be unpacked after "
                    + "\(plainBytes) bytes (\(String(cString: carchive_problem(handle))))")
        }
        return count
    }

    private func deliver(_ buffer: UnsafeMutableRawBufferPointer) -> Int {
        do throws(PublishingError) {
            return try readHead(buffer)
        } catch {
            failure = error
            return -1
        }
    }

    private func readHead(_ buffer: UnsafeMutableRawBufferPointer) throws(PublishingError) -> Int {
        let count: Int
        if head.isEmpty {
            count = try source.read(into: buffer)
        } else {
            count = min(head.count, buffer.count)
            buffer.copyBytes(from: head.prefix(count))
            head = head.dropFirst(count)
        }
        compressedBytes += Int64(count)
        return count
    }

    private static func fill(_ bytes: inout [UInt8], from source: any ByteStream) throws(PublishingError) -> Int {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        defer { buffer.deallocate() }
        let count = try source.fill(buffer)
        bytes.replaceSubrange(..<count, with: buffer[..<count])
        return count
    }

    private static func filter(of compression: StreamCompression) -> carchive_compression? {
        switch compression {
        case .none: nil
        case .gzip: carchive_gzip
        case .bzip2: carchive_bzip2
        case .xz: carchive_xz
        case .zstd: carchive_zstd
        }
    }
}

internal import CASCore

/// Passes bytes on while it hashes them, and throws at their end if they are not those that were named.
final class VerifiedStream: ByteStream {
    private let source: any ByteStream
    private let digest: SHA256Digest
    private let size: Int64?
    private let what: String
    private var hasher: StrongHasher? = StrongHasher()
    private var count: Int64 = 0

    /// - Parameters:
    ///   - size: in bytes; `nil` when nothing says so.
    ///   - what: what the bytes are, for the error.
    init(_ source: any ByteStream, digest: SHA256Digest, size: Int64?, what: String) {
        self.source = source
        self.digest = digest
        self.size = size
        self.what = what
    }

    var label: String { source.label }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(PublishingError) -> Int {
        guard hasher != nil else { return 0 }
        let got = try source.read(into: buffer)
        guard got == 0 else {
            hasher?.update(UnsafeRawBufferPointer(rebasing: buffer[..<got]))
            count += Int64(got)
            if let size, count > size { throw wrongSize(size) }
            return got
        }
        if let size, count != size { throw wrongSize(size) }
        guard let ended = hasher.take(), SHA256Digest(ended.finalize()) == digest else {
            throw PublishingError(
                .source, "\(what) is damaged: \(label) is not what its digest \(digest) names; get the image again")
        }
        return 0
    }

    private func wrongSize(_ size: Int64) -> PublishingError {
        PublishingError(
            .source,
            "\(what) is damaged: \(label) should have \(size) bytes and has \(count > size ? "more" : "\(count)")")
    }
}

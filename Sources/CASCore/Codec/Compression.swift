/// How an object's content is packed. Source: format 1, compression ids.
public enum Compression: UInt8, Sendable, Hashable, CaseIterable {
    /// A zlib stream (RFC 1950).
    case zlib = 0
    /// The bytes as they are.
    case none = 1

    /// The most bytes that content of a size can have as stored: what to ask a transport for at most.
    ///
    /// Deflate grows what it cannot pack by a few bytes a block; a quarter and 64 KiB are more than any compressor
    /// adds, and leave no room for a body without end that unpacks to nothing.
    public func mostStoredBytes(ofPlain bytes: Int64) -> Int64 {
        let bytes = max(0, bytes)
        guard self == .zlib else { return bytes }
        let (sum, overflow) = bytes.addingReportingOverflow(bytes / 4 + (64 << 10))
        return overflow ? .max : sum
    }
}

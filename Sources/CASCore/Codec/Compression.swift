/// How an object's content is packed. Source: format 1, compression ids.
public enum Compression: UInt8, Sendable, Hashable, CaseIterable {
    /// A zlib stream (RFC 1950).
    case zlib = 0
    /// The bytes as they are.
    case none = 1
}

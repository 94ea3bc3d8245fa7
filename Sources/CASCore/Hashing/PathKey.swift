internal import COpenSSL

/// The MD5 of a path, the primary key of a catalog's rows. Source: format 3, path keys.
///
/// The two halves of the digest, each read as a little-endian signed number, as SQLite keeps them.
public struct PathKey: Sendable, Hashable {
    /// Column `md5path_1`.
    public let first: Int64
    /// Column `md5path_2`.
    public let second: Int64

    public init(first: Int64, second: Int64) {
        self.first = first
        self.second = second
    }

    /// - Parameter path: an absolute path without trailing slash; the root is no bytes at all.
    public init(path: RawSpan) {
        var digest: (Int64, Int64) = (0, 0)
        path.withUnsafeBytes { bytes in
            withUnsafeMutableBytes(of: &digest) { out in
                // An empty span may have no base address, which MD5 must not be given together with a count.
                _ = MD5(
                    bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count,
                    out.baseAddress?.assumingMemoryBound(to: UInt8.self))
            }
        }
        self.init(first: Int64(littleEndian: digest.0), second: Int64(littleEndian: digest.1))
    }

    /// The key in a catalog's `parent_*` columns of the repository's root, which has no parent.
    public static let none = PathKey(first: 0, second: 0)
}

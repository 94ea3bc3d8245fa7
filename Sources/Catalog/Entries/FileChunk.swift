public import CASCore

/// A piece of a chunked file. Source: format 3, chunked files.
public struct FileChunk: Sendable, Hashable {
    /// Where in the file it begins, in bytes.
    public let offset: Int64
    /// Its length in bytes, at least 1.
    public let size: Int64
    public let hash: ContentHash
    /// How its object is packed: as the file is.
    public let compression: Compression

    public init(offset: Int64, size: Int64, hash: ContentHash, compression: Compression) {
        self.offset = offset
        self.size = size
        self.hash = hash
        self.compression = compression
    }

    /// The object with its content.
    public var object: ObjectID { ObjectID(hash, kind: .chunk, compression: compression) }
}

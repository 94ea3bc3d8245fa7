package import CASCore
package import Catalog

/// What some content was stored as: one object, or the chunks of a file. What a catalog needs to name it.
package struct StoredContent: Sendable, Hashable {
    /// Bytes of plain content.
    package let size: Int64
    /// The object with the whole content; `nil` when it is in chunks.
    package let whole: ContentHash?
    /// The chunks in the order of their offsets; none when the content is one object.
    package let chunks: [FileChunk]
    package let compression: Compression

    package init(size: Int64, whole: ContentHash?, chunks: [FileChunk], compression: Compression) {
        self.size = size
        self.whole = whole
        self.chunks = chunks
        self.compression = compression
    }

    /// All objects that hold it.
    package var objects: [ObjectID] {
        (whole.map { [ObjectID($0, compression: compression)] } ?? []) + chunks.map(\.object)
    }
}

/// A catalog, a history, a certificate or meta-information as it was stored.
package struct StoredObjectFile: Sendable, Hashable {
    package let object: ObjectID
    /// Bytes of plain content.
    package let size: Int64
}

internal import CASCore
internal import FUSE

/// What the table knows of a node.
struct NodeRecord {
    let flags: SlotFlags
    /// The folder's record; of the root, 0.
    let parent: UInt32
    /// The catalog's record, and the row in it; of what is no directory.
    let catalog: UInt32
    let row: UInt32
    /// The inode's number.
    let digest: UInt64
    let hash: ContentHash?
    let size: Int64
}

/// A catalog as the table knows it.
struct CatalogRecord {
    let hash: ContentHash
    /// Bytes of the uncompressed file.
    let size: Int64
    /// The record of the folder where it is mounted.
    let folder: UInt32
}

/// Which catalog has a row, as seen from the folder that the row's entry is in.
struct CatalogPlace {
    let hash: ContentHash
    /// Bytes of the uncompressed file.
    let size: Int64
    /// How many folders up it is mounted.
    let levels: Int
}

extension NodeID {
    /// The number of the record.
    var slot: UInt32 { UInt32(truncatingIfNeeded: rawValue) }
}

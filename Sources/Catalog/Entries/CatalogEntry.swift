public import CASCore

/// What a catalog says of one path. Source: format 3.
///
/// Everything in it is checked: the flags fit the mode, the hash has its length, the name is one component of a path.
/// A value that never changes; that it is an object makes it one reference for all who hold or pass it on.
public final class CatalogEntry: Sendable {
    /// The last component of the path; empty for the repository's root.
    public let name: FileName
    /// Kind and permissions, as in `stat`.
    public let mode: UInt32
    /// Owner and group; 0 in catalogs below schema 2.0, which do not keep them.
    public let uid: UInt32
    public let gid: UInt32
    /// Time of modification in seconds since 1970, possibly negative.
    public let mtime: Int64
    /// Nanoseconds to be added to `mtime`, 0 to 999 999 999; `nil` when the catalog has none.
    public let mtimeNanoseconds: Int32?
    /// Number of hard links, at least 1; of directories, 2 and the number of subdirectories.
    public let linkCount: UInt32
    /// Entries of one catalog with the same number are links of one file; 0: no other links.
    public let hardlinkGroup: UInt32
    /// The object with the content. A chunked file may have one too, for the whole; other kinds have none.
    ///
    /// A regular file that has neither hash nor chunks can be looked at but not read.
    public let contentHash: ContentHash?
    /// A symlink's target as it is stored, with its variables (see `SymlinkTemplate`); empty for other kinds.
    public let target: [UInt8]
    /// Whether the entry has extended attributes, for `FileCatalog.xattrs(of:)`.
    public let hasXattrs: Bool
    /// The key of the entry's row.
    public let key: PathKey
    /// The number of the entry's row, unique in its catalog.
    public let rowID: Int64

    /// Column `size`, which of a device is its number.
    let storedSize: Int64
    let flags: EntryFlags

    init(
        name: FileName, mode: UInt32, uid: UInt32, gid: UInt32, mtime: Int64, mtimeNanoseconds: Int32?,
        linkCount: UInt32, hardlinkGroup: UInt32, contentHash: ContentHash?, target: [UInt8], hasXattrs: Bool,
        key: PathKey, rowID: Int64, storedSize: Int64, flags: EntryFlags
    ) {
        self.name = name
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.mtime = mtime
        self.mtimeNanoseconds = mtimeNanoseconds
        self.linkCount = linkCount
        self.hardlinkGroup = hardlinkGroup
        self.contentHash = contentHash
        self.target = target
        self.hasXattrs = hasXattrs
        self.key = key
        self.rowID = rowID
        self.storedSize = storedSize
        self.flags = flags
    }
}

extension CatalogEntry: Hashable {
    public static func == (left: CatalogEntry, right: CatalogEntry) -> Bool {
        left === right
            || left.rowID == right.rowID && left.key == right.key && left.name == right.name
                && left.target == right.target && left.contentHash == right.contentHash
                && left.storedSize == right.storedSize && left.flags == right.flags
                && left.hasXattrs == right.hasXattrs && left.hardlinkGroup == right.hardlinkGroup
                && left.mtimeNanoseconds == right.mtimeNanoseconds
                && (left.mode, left.uid, left.gid, left.mtime, left.linkCount)
                    == (right.mode, right.uid, right.gid, right.mtime, right.linkCount)
    }

    /// By the row's key and content, which tell entries apart.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(key)
        hasher.combine(contentHash)
    }
}

extension CatalogEntry {
    public var kind: EntryKind {
        guard let kind = EntryKind(mode: mode) else { fatalError("unreachable: the decoder has checked the mode") }
        return kind
    }

    /// The twelve bits of the mode that are permissions, set-id and sticky bits.
    public var permissions: UInt32 { mode & 0o7777 }

    public var isDirectory: Bool { mode & EntryKind.mask == EntryKind.directory.rawValue }

    /// Bytes of content; of a symlink those of `target`, of a device 0.
    public var size: Int64 {
        switch kind {
        case .symlink: Int64(target.count)
        case .character, .block: 0
        case .file, .directory, .fifo, .socket: storedSize
        }
    }

    /// A device's number.
    public var device: DeviceNumber? {
        kind.isDevice ? DeviceNumber(linux: UInt64(bitPattern: storedSize)) : nil
    }

    /// How the content, whole or in chunks, is packed.
    public var compression: Compression { flags.compression ?? .zlib }

    /// The algorithm of the content's hash and of the chunks' hashes.
    public var hashAlgorithm: HashAlgorithm { contentHash?.algorithm ?? flags.hashAlgorithm ?? .sha1 }

    /// Whether the content is in chunks, for `FileCatalog.chunks(of:)`.
    public var isChunked: Bool { flags.contains(.chunked) }

    /// Whether the content is not in the repository but at the external servers, under the file's path.
    public var isExternal: Bool { flags.contains(.external) }

    /// Whether lookups find the entry but listings leave it out.
    public var isHidden: Bool { flags.contains(.hidden) }

    /// Whether the file is to be opened with direct I/O.
    public var isDirectIO: Bool { flags.contains(.directIO) }

    /// Whether a nested catalog has what lies below; see `FileCatalog.nestedCatalog(at:)`.
    public var isNestedMountpoint: Bool { flags.contains(.nestedMountpoint) }

    /// Whether it is the root of a nested catalog.
    public var isNestedRoot: Bool { flags.contains(.nestedRoot) }

    /// Whether another root catalog is mounted here; see `FileCatalog.nestedCatalog(at:)`.
    public var isBindMountpoint: Bool { flags.contains(.bindMountpoint) }

    /// The whole content's object; `nil` without a hash.
    public var object: ObjectID? { contentHash.map { ObjectID($0, kind: .file, compression: compression) } }
}

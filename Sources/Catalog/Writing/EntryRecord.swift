package import CASCore

/// Everything that a catalog's row says of an entry but its name: what writers make rows of, and read back.
///
/// Source: format 3.
package struct EntryRecord: Sendable, Hashable {
    /// What a directory has to do with other catalogs.
    package enum Role: Sendable, Hashable {
        case ordinary, nestedMountpoint, nestedRoot, bindMountpoint
    }

    package var kind: EntryKind
    /// The twelve bits of the mode that are permissions, set-id and sticky bits.
    package var permissions: UInt32
    package var uid: UInt32
    package var gid: UInt32
    package var mtime: Int64
    package var mtimeNanoseconds: Int32?
    package var linkCount: UInt32
    package var hardlinkGroup: UInt32 = 0
    /// Bytes of a file, or what a directory says of itself; of other kinds it is not looked at.
    package var size: Int64 = 0
    package var device: DeviceNumber?
    package var contentHash: ContentHash?
    /// Of the content's hash and of the chunks' hashes.
    package var hashAlgorithm: HashAlgorithm = .sha1
    package var compression: Compression = .zlib
    package var target: [UInt8] = []
    /// The extended attributes as they are stored.
    package var xattrs: [UInt8]?
    package var isChunked = false
    package var isExternal = false
    package var isHidden = false
    package var isDirectIO = false
    package var role: Role = .ordinary

    /// The `size` that our directories have: that of the source would depend on its file system.
    package static let directorySize: Int64 = 4096

    package init(
        kind: EntryKind, permissions: UInt32, uid: UInt32 = 0, gid: UInt32 = 0, mtime: Int64 = 0,
        mtimeNanoseconds: Int32? = nil
    ) {
        self.kind = kind
        self.permissions = permissions
        self.uid = uid
        self.gid = gid
        self.mtime = mtime
        self.mtimeNanoseconds = mtimeNanoseconds
        linkCount = kind == .directory ? 2 : 1
        if kind == .directory { size = Self.directorySize }
    }

    /// A directory without subdirectories.
    package static func directory(
        permissions: UInt32 = 0o755, uid: UInt32 = 0, gid: UInt32 = 0, mtime: Int64, mtimeNanoseconds: Int32? = nil
    ) -> EntryRecord {
        EntryRecord(
            kind: .directory, permissions: permissions, uid: uid, gid: gid, mtime: mtime,
            mtimeNanoseconds: mtimeNanoseconds)
    }

    /// - Parameter xattrs: the stored blob of the row.
    init(_ entry: CatalogEntry, xattrs: [UInt8]?) {
        self.init(
            kind: entry.kind, permissions: entry.permissions, uid: entry.uid, gid: entry.gid, mtime: entry.mtime,
            mtimeNanoseconds: entry.mtimeNanoseconds)
        linkCount = entry.linkCount
        hardlinkGroup = entry.hardlinkGroup
        size = entry.kind.isDevice ? 0 : entry.size
        device = entry.device
        contentHash = entry.contentHash
        hashAlgorithm = entry.hashAlgorithm
        compression = entry.compression
        target = entry.target
        self.xattrs = xattrs
        isChunked = entry.isChunked
        isExternal = entry.isExternal
        isHidden = entry.isHidden
        isDirectIO = entry.isDirectIO
        if entry.isNestedMountpoint { role = .nestedMountpoint }
        if entry.isNestedRoot { role = .nestedRoot }
        if entry.isBindMountpoint { role = .bindMountpoint }
    }

    package var isDirectory: Bool { kind == .directory }

    var mode: UInt32 { kind.rawValue | permissions }

    /// Column `size`.
    var storedSize: Int64 {
        switch kind {
        case .file, .directory: size
        case .symlink: Int64(target.count)
        case .character, .block: Int64(bitPattern: device?.linux ?? 0)
        case .fifo, .socket: 0
        }
    }

    /// Column `hardlinks`.
    var storedLinks: Int64 { Int64(bitPattern: UInt64(hardlinkGroup) << 32 | UInt64(linkCount)) }

    /// Column `flags`.
    var flags: EntryFlags {
        var flags: EntryFlags = isHidden ? .hidden : []
        switch kind {
        case .directory:
            flags.insert(.directory)
            switch role {
            case .ordinary: break
            case .nestedMountpoint: flags.insert(.nestedMountpoint)
            case .nestedRoot: flags.insert(.nestedRoot)
            case .bindMountpoint: flags.insert(.bindMountpoint)
            }
        case .symlink: flags.formUnion([.nonDirectory, .symlink])
        case .fifo, .socket, .character, .block: flags.formUnion([.nonDirectory, .special])
        case .file:
            flags.insert(.nonDirectory)
            if isChunked { flags.insert(.chunked) }
            if isExternal { flags.insert(.external) }
            if isDirectIO { flags.insert(.directIO) }
            flags.formUnion(EntryFlags(rawValue: UInt32(compression.rawValue) << 11))
            if contentHash != nil || isChunked {
                let algorithm = contentHash?.algorithm ?? hashAlgorithm
                flags.formUnion(EntryFlags(rawValue: UInt32(algorithm.rawValue - 1) << 8))
            }
        }
        return flags
    }
}

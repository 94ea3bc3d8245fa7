internal import CFUSE

/// A point in time as file systems have it.
public struct Timestamp: Hashable, Sendable {
    /// Since 1970.
    public var seconds: Int64
    public var nanoseconds: UInt32

    public init(seconds: Int64 = 0, nanoseconds: UInt32 = 0) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }
}

/// How long the kernel may believe an answer without asking again.
public struct Validity: Hashable, Sendable {
    public var seconds: UInt64
    public var nanoseconds: UInt32

    public init(seconds: UInt64, nanoseconds: UInt32 = 0) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    public static let none = Validity(seconds: 0)
    /// Until it is told otherwise.
    public static let forever = Validity(seconds: UInt64(Int64.max))
}

/// What stat(2) tells of a file.
public struct Attributes: Hashable, Sendable {
    public var inode: UInt64
    /// In bytes.
    public var size: UInt64
    /// In units of 512 bytes.
    public var blocks: UInt64
    public var accessed: Timestamp
    public var modified: Timestamp
    public var changed: Timestamp
    /// Type and permissions, as in `st_mode`.
    public var mode: UInt32
    public var links: UInt32
    public var owner: UInt32
    public var group: UInt32
    /// Of a device node, as in `st_rdev`.
    public var device: UInt32
    /// The preferred size of a read, in bytes.
    public var blockSize: UInt32

    public init(
        inode: UInt64, mode: UInt32, size: UInt64 = 0, links: UInt32 = 1, owner: UInt32 = 0, group: UInt32 = 0,
        modified: Timestamp = Timestamp(), device: UInt32 = 0, blockSize: UInt32 = 4096
    ) {
        self.inode = inode
        self.size = size
        blocks = (size &+ 511) / 512
        accessed = modified
        self.modified = modified
        changed = modified
        self.mode = mode
        self.links = links
        self.owner = owner
        self.group = group
        self.device = device
        self.blockSize = blockSize
    }

    /// The type of the entry, as a directory's records have it (`DT_DIR` and so on).
    public var directoryType: UInt32 { (mode & 0o170000) >> 12 }

    var wire: fuse_attr {
        fuse_attr(
            ino: inode, size: size, blocks: blocks, atime: UInt64(bitPattern: accessed.seconds),
            mtime: UInt64(bitPattern: modified.seconds), ctime: UInt64(bitPattern: changed.seconds),
            atimensec: accessed.nanoseconds, mtimensec: modified.nanoseconds, ctimensec: changed.nanoseconds,
            mode: mode,
            nlink: links, uid: owner, gid: group, rdev: device, blksize: blockSize, flags: 0)
    }

    var statx: cfuse_statx {
        var found = cfuse_statx()
        // STATX_BASIC_STATS; a time of birth is not known.
        found.mask = 0x7ff
        found.blksize = blockSize
        found.nlink = links
        found.uid = owner
        found.gid = group
        found.mode = UInt16(truncatingIfNeeded: mode)
        found.ino = inode
        found.size = size
        found.blocks = blocks
        found.atime = cfuse_sx_time(tv_sec: accessed.seconds, tv_nsec: accessed.nanoseconds, reserved: 0)
        found.ctime = cfuse_sx_time(tv_sec: changed.seconds, tv_nsec: changed.nanoseconds, reserved: 0)
        found.mtime = cfuse_sx_time(tv_sec: modified.seconds, tv_nsec: modified.nanoseconds, reserved: 0)
        // As the kernel's new_decode_dev has it.
        found.rdev_major = (device & 0xfff00) >> 8
        found.rdev_minor = (device & 0xff) | ((device >> 12) & 0xfff00)
        return found
    }
}

/// The answer to a lookup: a node, and how long name and attributes hold.
public struct Entry: Hashable, Sendable {
    public var node: NodeID
    /// With the number, unique for ever; only file systems that are exported over NFS need it.
    public var generation: UInt64
    public var attributes: Attributes
    public var nameValidity: Validity
    public var attributesValidity: Validity

    public init(
        node: NodeID, generation: UInt64 = 0, attributes: Attributes, nameValidity: Validity = .forever,
        attributesValidity: Validity = .forever
    ) {
        self.node = node
        self.generation = generation
        self.attributes = attributes
        self.nameValidity = nameValidity
        self.attributesValidity = attributesValidity
    }

    var wire: fuse_entry_out {
        fuse_entry_out(
            nodeid: node.rawValue, generation: generation, entry_valid: nameValidity.seconds,
            attr_valid: attributesValidity.seconds, entry_valid_nsec: nameValidity.nanoseconds,
            attr_valid_nsec: attributesValidity.nanoseconds, attr: attributes.wire)
    }
}

/// What statfs(2) tells of a file system.
public struct Statistics: Hashable, Sendable {
    public var blockSize: UInt32
    public var blocks: UInt64
    public var freeBlocks: UInt64
    public var availableBlocks: UInt64
    public var files: UInt64
    public var freeFiles: UInt64
    public var nameLength: UInt32

    public init(
        blockSize: UInt32 = 4096, blocks: UInt64 = 0, freeBlocks: UInt64 = 0, availableBlocks: UInt64 = 0,
        files: UInt64 = 0, freeFiles: UInt64 = 0, nameLength: UInt32 = 255
    ) {
        self.blockSize = blockSize
        self.blocks = blocks
        self.freeBlocks = freeBlocks
        self.availableBlocks = availableBlocks
        self.files = files
        self.freeFiles = freeFiles
        self.nameLength = nameLength
    }

    var wire: fuse_statfs_out {
        var found = fuse_statfs_out()
        found.st.blocks = blocks
        found.st.bfree = freeBlocks
        found.st.bavail = availableBlocks
        found.st.files = files
        found.st.ffree = freeFiles
        found.st.bsize = blockSize
        found.st.frsize = blockSize
        found.st.namelen = nameLength
        return found
    }
}

/// How the kernel shall treat a file that was opened.
public struct OpenOptions: OptionSet, Sendable {
    public let rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Every read asks the file system; nothing is kept in the page cache.
    public static let directIO = OpenOptions(rawValue: 1 << 0)
    /// What the page cache holds of the file is still right.
    public static let keepCache = OpenOptions(rawValue: 1 << 1)
    public static let notSeekable = OpenOptions(rawValue: 1 << 2)
    /// The kernel may keep the listing of the folder.
    public static let cacheListing = OpenOptions(rawValue: 1 << 3)
    /// There is no position at all.
    public static let stream = OpenOptions(rawValue: 1 << 4)
    /// Closing sends no FLUSH.
    public static let noFlush = OpenOptions(rawValue: 1 << 5)

    static let passthrough = OpenOptions(rawValue: 1 << 7)
}

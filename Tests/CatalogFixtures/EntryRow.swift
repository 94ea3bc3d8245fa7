public import CASCore

/// A row of table `catalog`, to be made. What the initialisers set is well formed; `raw` makes it as wrong as one likes.
public struct EntryRow: Sendable {
    public var path: RepositoryPath
    public var mode: UInt32
    public var flags: Int64
    public var size: Int64 = 0
    public var mtime: Int64 = 1_700_000_000
    public var nanoseconds: Int64?
    public var linkCount: UInt32 = 1
    public var hardlinkGroup: UInt32 = 0
    public var uid: Int64 = 0
    public var gid: Int64 = 0
    public var hash: ContentHash?
    public var target: [UInt8] = []
    public var xattr: [UInt8]?
    /// Values for columns by name, instead of those that follow from the other properties.
    public var raw: [String: DatabaseValue] = [:]

    public init(_ path: RepositoryPath, mode: UInt32, flags: Int64) {
        self.path = path
        self.mode = mode
        self.flags = flags
    }

    public static func directory(_ path: RepositoryPath, mode: UInt32 = 0o755, links: UInt32 = 2) -> EntryRow {
        var row = EntryRow(path, mode: 0o040000 | mode, flags: 1)
        row.size = 4096
        row.linkCount = links
        return row
    }

    /// - Parameter hash: with its algorithm goes into the flags.
    public static func file(
        _ path: RepositoryPath, mode: UInt32 = 0o644, size: Int64 = 0, hash: ContentHash? = .ofEmptyFile,
        compression: Compression = .zlib
    ) -> EntryRow {
        var row = EntryRow(path, mode: 0o100000 | mode, flags: 4 | Int64(compression.rawValue) << 11)
        row.size = size
        row.hash = hash
        if let hash { row.flags |= Int64(hash.algorithm.rawValue - 1) << 8 }
        return row
    }

    public static func symlink(_ path: RepositoryPath, to target: String) -> EntryRow {
        var row = EntryRow(path, mode: 0o120777, flags: 12)
        row.target = Array(target.utf8)
        row.size = Int64(row.target.count)
        return row
    }

    /// - Parameter type: the type bits of the mode.
    public static func special(_ path: RepositoryPath, type: UInt32, device: Int64 = 0) -> EntryRow {
        var row = EntryRow(path, mode: type | 0o600, flags: 20)
        row.size = device
        return row
    }

    /// Returns the row after changing it.
    public func with(_ change: (inout EntryRow) -> Void) -> EntryRow {
        var row = self
        change(&row)
        return row
    }

    /// The columns and their values in a layout.
    func columns(in layout: CatalogLayout) -> [String: DatabaseValue] {
        let key = path.key
        let parent = path.parent?.key ?? .none
        var columns: [String: DatabaseValue] = [
            "md5path_1": .integer(key.first), "md5path_2": .integer(key.second),
            "parent_1": .integer(parent.first), "parent_2": .integer(parent.second),
            "hash": hash.map { .blob($0.digest) } ?? .null, "size": .integer(size), "mode": .integer(Int64(mode)),
            "mtime": .integer(mtime), "flags": .integer(flags), "name": .text(path.name.bytes),
            "symlink": .text(target),
        ]
        if layout.isLegacy {
            columns["inode"] = .integer(0)
        } else {
            columns["hardlinks"] = .integer(Int64(bitPattern: UInt64(hardlinkGroup) << 32 | UInt64(linkCount)))
            columns["uid"] = .integer(uid)
            columns["gid"] = .integer(gid)
        }
        if layout.hasXattrs { columns["xattr"] = xattr.map { .blob($0) } ?? .null }
        if layout.hasNanoseconds { columns["mtimens"] = nanoseconds.map { .integer($0) } ?? .null }
        return columns.merging(raw) { $1 }
    }
}

extension ContentHash {
    /// Of the eight bytes that zlib makes of nothing.
    public static let ofEmptyFile: ContentHash = {
        guard let hash = ContentHash("e8ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78") else { preconditionFailure() }
        return hash
    }()

    /// A hash of a number's bytes, for content that need not exist.
    public static func made(_ number: UInt64, _ algorithm: HashAlgorithm = .sha1) -> ContentHash {
        withUnsafeBytes(of: number.littleEndian) { Array($0) }.withUnsafeBytes {
            ContentHash(hashing: RawSpan(_unsafeBytes: $0), with: algorithm)
        }
    }
}

public import Catalog

/// The attributes that every entry has, for entries that a program makes.
public struct EntryAttributes: Sendable, Hashable {
    /// The twelve bits of the mode that are permissions, set-id and sticky bits.
    public var permissions: UInt32
    public var uid: UInt32
    public var gid: UInt32
    /// Time of modification in seconds since 1970; `nil` for the time that it is.
    public var mtime: Int64?
    /// Nanoseconds to be added to `mtime`.
    public var mtimeNanoseconds: Int32?
    /// Extended attributes: at most 255, with names and values of at most 255 bytes.
    public var xattrs: [ExtendedAttributes.Attribute] = []

    public init(
        permissions: UInt32, uid: UInt32 = 0, gid: UInt32 = 0, mtime: Int64? = nil, mtimeNanoseconds: Int32? = nil
    ) {
        self.permissions = permissions
        self.uid = uid
        self.gid = gid
        self.mtime = mtime
        self.mtimeNanoseconds = mtimeNanoseconds
    }

    /// 0644, of root.
    public static let file = EntryAttributes(permissions: 0o644)
    /// 0755, of root.
    public static let directory = EntryAttributes(permissions: 0o755)
}

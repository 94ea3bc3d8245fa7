package import CASCore
package import Catalog

/// A tree that is to be published: a directory of this machine, an archive, an image.
///
/// It is read by one task at a time, and may block.
package protocol TreeSource {
    /// What messages call it.
    var label: String { get }

    /// The next entry; `nil` behind the last.
    ///
    /// The first is the root, a directory with the path `.root`. Then depth first: a directory comes before its content,
    /// the names of one directory come in the order of their bytes, and no path comes twice. (That is the order of the
    /// paths' components, not of the paths: `/a`, `/a/b`, `/a.b`.)
    mutating func next() throws -> SourceEntry?
}

/// One entry of a tree that is to be published.
package struct SourceEntry: Sendable {
    /// From the root of the source.
    package var path: RepositoryPath
    package var kind: EntryKind
    /// The twelve bits of the mode that are permissions, set-id and sticky bits.
    package var permissions: UInt32
    package var uid: UInt32
    package var gid: UInt32
    package var mtime: Int64
    package var mtimeNanoseconds: Int32?
    /// Of a symlink, as it is to be stored.
    package var target: [UInt8] = []
    package var device: DeviceNumber?
    /// In any order and of any length; what the format cannot hold is left out and reported.
    package var xattrs: [ExtendedAttributes.Attribute] = []
    /// The same for all names of one file; `nil` when it has one name only.
    package var hardlink: HardlinkIdentity?
    /// Of a regular file.
    package var content: SourceContent = .none

    /// What a file that was not read is known again by, if anything.
    var identity: FileIdentity? {
        if case .unread(_, let identity, _) = content { identity } else { nil }
    }

    package init(
        path: RepositoryPath, kind: EntryKind, permissions: UInt32, uid: UInt32 = 0, gid: UInt32 = 0,
        mtime: Int64 = 0, mtimeNanoseconds: Int32? = nil
    ) {
        self.path = path
        self.kind = kind
        self.permissions = permissions
        self.uid = uid
        self.gid = gid
        self.mtime = mtime
        self.mtimeNanoseconds = mtimeNanoseconds
    }
}

extension SourceEntry {
    /// Whether an extended attribute belongs to the file, and not to the machine that it lies on as do `trusted.` (of
    /// overlay file systems, for example) and `security.` but for the capabilities of programs.
    package static func keepsXattr(_ name: some Collection<UInt8>) -> Bool {
        if name.starts(with: "security.".utf8) { return name.elementsEqual("security.capability".utf8) }
        return !name.starts(with: "trusted.".utf8)
    }
}

/// By what the names of one file are recognised; two numbers of the source's own.
package struct HardlinkIdentity: Sendable, Hashable {
    package let device: UInt64
    package let inode: UInt64

    package init(device: UInt64, inode: UInt64) {
        self.device = device
        self.inode = inode
    }
}

/// Where the content of a file is.
package enum SourceContent: Sendable {
    /// Nowhere: it is no regular file.
    case none
    /// In the repository already.
    case stored(StoredContent)
    /// Still to be read.
    ///
    /// - identity: by what the file is recognised when it was published before.
    /// - open: opens it; its errors name the file.
    case unread(size: Int64, identity: FileIdentity?, open: @Sendable () throws -> any ContentSource)
}

package import Catalog

/// One entry of a tar archive, its names as bytes exactly as the archive has them.
package struct TarEntry: Sendable, Hashable {
    package enum Kind: Sendable, Hashable {
        case file, directory, symlink, hardlink, character, block, fifo
    }

    package var path: [UInt8]
    package var kind: Kind
    /// The twelve bits of permissions, set-id and sticky bits.
    package var permissions: UInt32
    package var uid: UInt32
    package var gid: UInt32
    /// Seconds since 1970, possibly negative, and nanoseconds to be added.
    package var mtime: Int64
    package var mtimeNanoseconds: Int32
    /// Bytes of a file's content, its holes included; 0 for other kinds.
    package var size: Int64
    /// Of a symlink what it holds, of a hardlink the path of the other entry in the archive.
    package var target: [UInt8]
    package var device: DeviceNumber?
    /// Name and value of each.
    package var xattrs: [[UInt8]: [UInt8]]
}

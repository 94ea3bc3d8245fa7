internal import CASCore
internal import Catalog

/// By what a node is the same node: a file by its place, content and metadata; a directory by its path (see `NodeTable`).
///
/// So whatever the kernel keeps of a file's node is right for ever: what changes is another node.
struct NodeIdentity {
    /// The content's hash, 20 bytes, and the size; other things of what has no content.
    var payload: (UInt64, UInt64, UInt64, UInt32)
    /// Of place and metadata; shown as the inode's number.
    var digest: UInt64
    var flags: SlotFlags

    init(payload: (UInt64, UInt64, UInt64, UInt32), digest: UInt64, flags: SlotFlags) {
        self.payload = payload
        self.digest = digest
        self.flags = flags
    }

    /// - Parameter folder: the key of the entry's folder. Of members of a hardlink group only the folder counts, so that
    ///   all of them are one node.
    init(of entry: CatalogEntry, folder: PathKey) {
        flags = SlotFlags(of: entry)
        payload = (0, 0, 0, 0)
        let size = entry.size
        let contentHash = entry.contentHash
        withUnsafeMutableBytes(of: &payload) { payload in
            contentHash?.copyDigest(to: UnsafeMutableRawBufferPointer(rebasing: payload[..<20]))
            payload.storeBytes(of: size, toByteOffset: 20, as: Int64.self)
        }
        var digest = Digest()
        if entry.hardlinkGroup != 0 {
            digest.add(UInt64(bitPattern: folder.first))
            digest.add(UInt64(bitPattern: folder.second))
            digest.add(UInt64(entry.hardlinkGroup))
        } else {
            digest.add(UInt64(bitPattern: entry.key.first))
            digest.add(UInt64(bitPattern: entry.key.second))
            // Where a catalog is bound to another place, its keys are not those of the paths.
            digest.add(UInt64(bitPattern: folder.first))
        }
        digest.add(UInt64(entry.mode) << 32 | UInt64(entry.linkCount))
        digest.add(UInt64(entry.uid) << 32 | UInt64(entry.gid))
        digest.add(UInt64(bitPattern: entry.mtime))
        digest.add(UInt64(UInt32(bitPattern: entry.mtimeNanoseconds ?? -1)) << 32 | UInt64(flags.rawValue))
        digest.add(payload.0)
        digest.add(payload.1)
        digest.add(payload.2)
        if !entry.target.isEmpty { digest.add(entry.target) }
        if let device = entry.device { digest.add(UInt64(device.major) << 32 | UInt64(device.minor)) }
        self.digest = digest.value
    }
}

/// A 64-bit digest, eight bytes at a time. It need not withstand an attack: who publishes a tree could only confuse
/// entries of his own.
struct Digest {
    private var state: UInt64 = 0x51_7C_C1_B7_27_22_0A_95

    mutating func add(_ value: UInt64) {
        let product = (state ^ value).multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
        state = (product.high ^ product.low) &+ 0x2545_F491_4F6C_DD1D
    }

    mutating func add(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { add($0) }
    }

    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        add(UInt64(truncatingIfNeeded: bytes.count))
        var offset = 0
        while offset + 8 <= bytes.count {
            add(bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            offset += 8
        }
        var rest: UInt64 = 0
        while offset < bytes.count {
            rest = rest << 8 | UInt64(bytes[offset])
            offset += 1
        }
        add(rest)
    }

    /// Not 0 and not 1, which is the root's.
    var value: UInt64 { state < 2 ? state &+ 2 : state }
}

internal import CASCore
internal import Catalog

/// What a record of the table is, in one word that is written last when the record is made.
struct SlotFlags: RawRepresentable, Hashable {
    enum Kind: UInt32 {
        case free = 0
        case directory = 1
        case file = 2
        case symlink = 3
        case special = 4
        /// A catalog, by its hash and the folder where it is mounted.
        case catalog = 5
        /// A piece of a folder's long name.
        case name = 6
        /// How a file is open.
        case opening = 7
    }

    var rawValue: UInt32

    init(rawValue: UInt32) { self.rawValue = rawValue }

    init(_ kind: Kind, nameLength: Int = 0) { rawValue = kind.rawValue | UInt32(nameLength) << 24 }

    /// Of an entry that is no directory.
    init(of entry: CatalogEntry) {
        let kind: Kind =
            switch entry.kind {
            case .file: .file
            case .symlink: .symlink
            default: .special
            }
        self.init(kind)
        guard kind == .file else { return }
        rawValue |= UInt32(entry.hashAlgorithm.rawValue) << 4 | UInt32(entry.compression.rawValue) << 7
        if entry.isChunked { rawValue |= 1 << 10 }
        if entry.isExternal { rawValue |= 1 << 11 }
        if entry.contentHash != nil { rawValue |= 1 << 12 }
        if entry.isDirectIO { rawValue |= 1 << 13 }
    }

    /// Of a catalog's record.
    init(catalogWith algorithm: HashAlgorithm) {
        self.init(.catalog)
        rawValue |= UInt32(algorithm.rawValue) << 4
    }

    var kind: Kind { Kind(rawValue: rawValue & 7) ?? .free }
    var algorithm: HashAlgorithm? { HashAlgorithm(rawValue: UInt8(rawValue >> 4 & 7)) }
    var compression: Compression? { Compression(rawValue: UInt8(rawValue >> 7 & 7)) }
    var isChunked: Bool { rawValue & 1 << 10 != 0 }
    var isExternal: Bool { rawValue & 1 << 11 != 0 }
    var hasHash: Bool { rawValue & 1 << 12 != 0 }
    var isDirectIO: Bool { rawValue & 1 << 13 != 0 }
    var nameLength: Int { Int(rawValue >> 24) }

    /// Whether the kernel knows it by its number.
    var isNode: Bool { (1...4).contains(rawValue & 7) }
}

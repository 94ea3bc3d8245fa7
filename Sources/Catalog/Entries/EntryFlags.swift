internal import CASCore

/// Column `flags` of an entry. Source: format 3, flags.
struct EntryFlags: OptionSet, Sendable, Hashable {
    let rawValue: UInt32

    static let directory = EntryFlags(rawValue: 1)
    static let nestedMountpoint = EntryFlags(rawValue: 2)
    static let nonDirectory = EntryFlags(rawValue: 4)
    static let symlink = EntryFlags(rawValue: 8)
    static let special = EntryFlags(rawValue: 16)
    static let nestedRoot = EntryFlags(rawValue: 32)
    static let chunked = EntryFlags(rawValue: 64)
    static let external = EntryFlags(rawValue: 128)
    static let bindMountpoint = EntryFlags(rawValue: 0x4000)
    static let hidden = EntryFlags(rawValue: 0x8000)
    static let directIO = EntryFlags(rawValue: 0x10000)

    /// All that catalogs below schema 2.0 mean by their flags; the other bits are left-overs there.
    static let legacy: EntryFlags = [.directory, .nestedMountpoint, .nonDirectory, .symlink, .nestedRoot]

    private static let ofDirectories: EntryFlags = [.nestedMountpoint, .nestedRoot, .bindMountpoint]
    private static let ofFiles: EntryFlags = [.chunked, .external, .directIO]

    /// Bits 8 to 10, which count from 0; `nil` for an unknown algorithm.
    var hashAlgorithm: HashAlgorithm? { HashAlgorithm(rawValue: UInt8(rawValue >> 8 & 7) + 1) }

    /// Bits 11 to 13; `nil` for an unknown compression.
    var compression: Compression? { Compression(rawValue: UInt8(rawValue >> 11 & 7)) }

    /// Whether they can belong to a file of this kind.
    ///
    /// Writers before revision 5 did not set `special`, and upgrading a catalog leaves their rows as they are.
    func fit(_ kind: EntryKind) -> Bool {
        let isDirectory = kind == .directory
        guard contains(.directory) == isDirectory, contains(.nonDirectory) != isDirectory,
            contains(.symlink) == (kind == .symlink), !contains(.special) || kind.isSpecial
        else { return false }
        guard isDisjoint(with: Self.ofFiles) || kind == .file else { return false }
        let roles = intersection(Self.ofDirectories)
        return roles.isEmpty || isDirectory && roles.rawValue.nonzeroBitCount == 1
    }
}

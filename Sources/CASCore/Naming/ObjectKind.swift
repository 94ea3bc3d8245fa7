/// What an object is; a letter behind its name on servers, absent in catalogs and caches. Source: format 1.
public enum ObjectKind: UInt8, Sendable, Hashable, CaseIterable {
    /// A whole file; no letter.
    case file = 0
    /// `C`
    case catalog = 0x43
    /// `H`: the history database, which holds the tags.
    case history = 0x48
    /// `X`
    case certificate = 0x58
    /// `M`
    case metainfo = 0x4D
    /// `P`: a chunk of a file.
    case chunk = 0x50
    /// `L`: reserved.
    case microCatalog = 0x4C

    /// The letter behind the name, or nothing.
    public var letter: String { self == .file ? "" : String(UnicodeScalar(rawValue)) }
}

/// Which library packs a repository's objects. Both make zlib streams that every client reads; their bytes differ, and
/// with them the objects' names.
public enum DeflaterKind: String, Sendable, Hashable, CaseIterable {
    /// zlib at its default level: the same bytes, and so the same objects, as the reference makes. Source: format 1.
    case zlib
    /// libdeflate: more than twice as fast, with smaller output.
    case libdeflate

    /// Whether this build has the library; libdeflate is a trait of the package.
    public var isAvailable: Bool {
        #if libdeflate
            true
        #else
            self == .zlib
        #endif
    }
}

public import CASCore

/// Which state of a repository.
public enum SnapshotSelector: Sendable, Hashable {
    /// The newest revision; asks the server again when the time to live is over.
    case newest
    /// The revision that a tag names.
    case tag(String)
    /// The newest tagged revision not younger than a time, in seconds since 1970.
    case date(Int64)
    /// The catalog of that hash, whoever signed it or nobody.
    case root(ContentHash)
}

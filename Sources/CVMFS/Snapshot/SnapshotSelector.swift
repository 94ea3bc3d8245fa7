public import CASCore
public import Signing

/// Which state of a repository.
public enum SnapshotSelector: Sendable, Hashable {
    /// The newest revision; asks the server again when the time to live is over.
    case newest
    /// The revision that a tag names.
    case tag(String)
    /// The newest tagged revision that is not younger than a time.
    case date(UnixTime)
    /// The catalog of that hash, whoever signed it or nobody; also a nested one, which then is the root.
    case root(ContentHash)
}

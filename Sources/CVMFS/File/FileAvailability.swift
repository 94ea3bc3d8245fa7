internal import CASCore

/// How much of a file's content is in the cache.
public enum FileAvailability: String, Sendable, Hashable {
    /// Nothing but its metadata.
    case metadataOnly
    /// Some of its chunks.
    case partial
    /// All of it: reading it needs no network.
    case complete

    init(of parts: [FilePart], in store: any ObjectStore) {
        let present = parts.count { store.contains($0.id) }
        self = present == parts.count ? .complete : present == 0 ? .metadataOnly : .partial
    }
}

/// Bounds on what is taken from a server that is copied.
enum ReplicationLimits {
    /// Objects that are fetched at once: 16, as many as a server is asked for by one client.
    static let parallelObjects = 16

    /// Catalogs whose objects are all there or on their way, and which wait for the last of them: 64. They are named
    /// together, so that not every small catalog costs a pause.
    static let waitingCatalogs = 64

    /// Nested catalogs that lie in one another: 1024, with one directory each a path of 2048 bytes.
    static let catalogDepth = 1024

    /// Root catalogs that are followed from one to its predecessor: 10 000.
    static let predecessors = 10_000

    /// Bytes of the marker that allows replication: 1 KiB; it is empty.
    static let markerBytes: Int64 = 1 << 10
}

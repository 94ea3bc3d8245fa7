/// Bounds on what clients may make a server do.
enum ServerLimits {
    /// Connections at once: 1024. A further one is closed at once.
    static let connections = 1024

    /// Seconds without a byte after which a connection is closed: 60.
    static let idleSeconds: Int64 = 60

    /// Bytes of a file that are read and sent at a time: 128 KiB.
    static let pieceBytes = 128 << 10
}

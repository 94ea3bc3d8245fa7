/// Bounds on what is taken from the network and the disk before it is verified.
public enum Limits {
    /// Unpacked size of an object of which nothing is known: 2 GiB, above any catalog seen.
    public static let unknownObjectBytes: Int64 = 2 << 30

    /// Memory in which the decoders of the process unpack objects whole: 32 MiB. That holds the largest chunk of a
    /// file (16 MiB) with its stored bytes unless they are as many, and is half of the 64 MiB in which a client must
    /// be able to print a file of any size.
    public static let inflateBudgetBytes = 32 << 20

    /// How much of that memory stays for the next objects when it is not in use: 16 MiB, which on each of two cores
    /// is enough for a chunk of average size (8 MiB).
    public static let idleInflateBytes = 16 << 20

    /// Plain bytes that a streaming decoder gives out at a time: 128 KiB, four times the window of which zlib keeps a
    /// copy at every call.
    static let pieceBytes = 128 << 10

    /// Idle states of each codec that are kept for reuse: 16, as many as the blocking pool has threads on 8 cores.
    /// One of zlib's holds 170 KiB with its piece.
    static let idleCodecs = 16

    /// Length of the list of a pin: 512 MiB, 24 million objects, more than any repository that was seen.
    static let pinFileBytes: Int64 = 512 << 20
}

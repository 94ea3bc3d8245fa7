/// Bounds on what is taken from the network and the disk before it is verified.
public enum Limits {
    /// Unpacked size of an object of which nothing is known: 2 GiB, above any catalog seen.
    public static let unknownObjectBytes: Int64 = 2 << 30

    /// Memory in which the decoders of the process unpack objects whole: 32 MiB. That holds the largest chunk of a
    /// file (16 MiB) and its stored bytes, and is half of the 64 MiB in which a client must be able to print a file
    /// of any size.
    public static let inflateBudgetBytes = 32 << 20

    /// Plain bytes that a streaming decoder gives out at a time: 64 KiB, twice zlib's window.
    static let pieceBytes = 64 << 10
}

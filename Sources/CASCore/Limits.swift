/// Bounds on what is taken from the network and the disk before it is verified.
public enum Limits {
    /// Unpacked size of an object of which nothing is known: 2 GiB, above any catalog seen.
    public static let unknownObjectBytes: Int64 = 2 << 30
}

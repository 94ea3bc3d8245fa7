/// Bounds on what a server can make us hold or do.
public enum TransportLimits {
    /// All header lines of one response, redirections included: 64 KiB, several times what servers send.
    public static let responseHeaderBytes = 64 << 10

    /// Body of an error page that is read, so that its connection can be used again; a longer one ends it.
    public static let errorPageBytes = 64 << 10

    /// Bytes of one transfer that wait for its sink; then the server is left waiting.
    public static let bufferedBytes = 256 << 10

    /// Bytes of a longer body that are worth waking the waiting task for: half of the buffer, so that both work.
    static let deliveryBytes = bufferedBytes / 2

    /// Redirections that are followed, when they are followed at all. As the reference has it.
    public static let redirections = 4

    /// Servers of one list; a download remembers in one machine word which it has tried.
    public static let servers = 64

    /// Length of a URL, in bytes: 8 KiB, what servers commonly accept.
    public static let urlBytes = 8 << 10

    /// What is at hand is given to a sink in such pieces, between which a task can be cancelled.
    static let pieceBytes = 256 << 10
}

/// Bounds on what the kernel, or a program through it, can make a session hold.
public enum FUSELimits {
    /// Length of a name, in bytes: what the kernel lets through.
    public static let nameBytes = 4095

    /// Content of one READ or WRITE: 1 MiB, the most that kernels ask for unless root raises it.
    public static let transferBytes = 1 << 20

    /// Threads that answer requests.
    public static let workers = 64

    /// Requests whose answer comes later; what comes on top is refused with EAGAIN.
    public static let deferredRequests = 16384

    /// Interrupts remembered for requests that a handler is still about to defer.
    public static let earlyInterrupts = 256

    /// Locked buffers kept for replies that are put together, each of `transferBytes` at most.
    public static let idleReplyBuffers = 8

    /// Requests at a time in one processor's queue over io_uring, each with a buffer of its own.
    public static let ringRequests = 8

    /// Content of one READ or WRITE over io_uring: 256 KiB, as each request has its room all the time.
    public static let ringTransferBytes = 256 << 10

    /// Nodes named in one notification that they can go.
    public static let prunedNodes = 1024

    /// Length of the options of a mount, in bytes: one page, as in mount(2).
    public static let optionBytes = 4095
}

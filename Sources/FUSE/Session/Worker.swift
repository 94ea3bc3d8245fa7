internal import CFUSE
internal import Glibc

/// A thread that reads requests from one channel and has them answered, until the mount ends or the session stops.
final class Worker: Sendable {
    private let session: Session
    private let channel: Channel

    init(session: Session, channel: Channel) {
        self.session = session
        self.channel = channel
    }

    /// 0, or a negative errno.
    func start() -> Int32 {
        let context = Unmanaged.passRetained(self)
        let result = cfuse_start_thread(
            "fuse-worker", { Unmanaged<Worker>.fromOpaque($0!).takeRetainedValue().run() }, context.toOpaque())
        if result != 0 { context.release() }
        return result
    }

    private func run() {
        let thread = cfuse_current_thread()
        session.began(thread)
        session.ended(thread, disconnected: serve())
    }

    /// Whether the connection has ended.
    private func serve() -> Bool {
        // Room for the longest WRITE with what stands before it; the kernel wants 8 KiB at least.
        let capacity = max(session.agreement.writeBytes + 4096, Int(FUSE_MIN_READ_BUFFER), 16 << 10)
        // If this process is killed while the kernel copies a request, what is not resident makes the request fail.
        var isLocked: Int32 = 0
        guard let start = cfuse_allocate_resident(capacity, 1, &isLocked) else { return false }
        let buffer = UnsafeMutableRawBufferPointer(start: start, count: capacity)
        defer { cfuse_free_resident(start, capacity) }
        while !session.mustStop {
            let count = cfuse_read_request(channel.descriptor, buffer.baseAddress, buffer.count)
            if count > 0 {
                session.handle(UnsafeRawBufferPointer(rebasing: buffer[..<count]), on: channel)
                continue
            }
            switch Int32(-count) {
            // ENOENT: the request was interrupted before it was read.
            case EINTR, EAGAIN, ENOENT, EIO, E2BIG, ENOMEM: continue
            default: return true
            }
        }
        return false
    }
}

internal import CFUSE
internal import Glibc
internal import SystemPackage

/// What all channels of a session share.
final class SharedState: Sendable {
    let pending = PendingRequests()
    let buffers: ReplyBuffers
    let counts = RequestCounts()
    let agreement: Agreement
    /// Whether the numbers of threads in requests are those of this process's namespace.
    private let seesThreads: Bool

    init(agreement: Agreement, seesThreads: Bool = true) {
        self.agreement = agreement
        self.seesThreads = seesThreads
        buffers = ReplyBuffers(
            capacity: agreement.transferBytes, withPipes: agreement.features.contains(.spliceWrite))
    }
}

extension SharedState {
    /// The thread that waits for a request's answer; 0 when its number means nothing here.
    func thread(of request: Request) -> UInt32 { seesThreads ? request.process : 0 }
}

/// Where requests come from and answers go: an open device, the one of the mount or a clone of it; or an entry of a ring.
/// It is closed when nobody can answer on it any more.
final class Channel: Sendable {
    /// -1 for an entry of a ring.
    let descriptor: Int32
    let shared: SharedState
    private let entry: RingEntry?

    init(adopting descriptor: Int32, shared: SharedState) {
        self.descriptor = descriptor
        self.shared = shared
        entry = nil
    }

    /// A place for a request in a queue over io_uring, where the answer goes too.
    init(entry: RingEntry, shared: SharedState) {
        descriptor = -1
        self.shared = shared
        self.entry = entry
    }

    /// Where what is no answer goes.
    var device: Int32 { entry?.queue.device.descriptor ?? descriptor }

    deinit {
        if descriptor >= 0 { cfuse_close(descriptor) }
    }

    func reply(to unique: UInt64, _ error: Errno) {
        if let entry { return entry.reply(to: unique, error.rawValue) }
        check(cfuse_reply(descriptor, unique, error.rawValue, nil, 0))
    }

    func reply(to unique: UInt64, _ body: UnsafeRawBufferPointer) {
        if let entry { return entry.reply(to: unique, body) }
        let result = cfuse_reply(descriptor, unique, 0, body.baseAddress, body.count)
        if result != 0 { fail(unique, result) }
    }

    func reply(to unique: UInt64, from file: Int32, at offset: Int64, count: Int) {
        if let entry { return entry.reply(to: unique, from: file, at: offset, count: count) }
        guard count <= shared.buffers.capacity, let taken = TakenBuffer(from: shared.buffers) else {
            return reply(to: unique, .noMemory)
        }
        let buffer = taken.buffer
        // A few pages are copied sooner than moved.
        let pipes = count >= Self.splicedBytes ? buffer.pipes : nil
        let result: Int32
        if let pipes {
            result = pipes.withUnsafeBufferPointer {
                cfuse_reply_file(
                    descriptor, unique, file, offset, count, buffer.memory.baseAddress, $0.baseAddress)
            }
        } else {
            result = cfuse_reply_file(descriptor, unique, file, offset, count, buffer.memory.baseAddress, nil)
        }
        if result != 0 { fail(unique, result) }
    }

    private static let splicedBytes = 64 << 10

    /// ENOENT and ENODEV: nobody waits any more. Anything else must not leave the request open.
    private func fail(_ unique: UInt64, _ result: Int32) {
        check(result)
        if result != -ENOENT && result != -ENODEV {
            _ = cfuse_reply(descriptor, unique, result == -ENOMEM ? ENOMEM : EIO, nil, 0)
        }
    }

    private func check(_ result: Int32) {
        if result != 0 { shared.counts.countUnanswered() }
    }
}

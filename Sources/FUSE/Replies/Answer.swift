internal import CFUSE
public import SystemPackage

/// The duty to answer one request, once, on the descriptor that it came from. Dropped, it answers EIO.
struct Answer: ~Copyable, Sendable {
    let channel: Channel
    private var unique: UInt64
    private let thread: UInt32

    /// - Parameter thread: the one that waits for the answer.
    init(channel: Channel, unique: UInt64, thread: UInt32 = 0) {
        self.channel = channel
        self.unique = unique
        self.thread = thread
    }

    deinit {
        if unique != 0 { channel.reply(to: unique, .ioError) }
    }

    var key: RequestKey { RequestKey(channel: channel, unique: unique, thread: thread) }

    consuming func fail(_ error: Errno) {
        channel.reply(to: unique, error)
        unique = 0
    }

    consuming func succeed() {
        channel.reply(to: unique, UnsafeRawBufferPointer(start: nil, count: 0))
        unique = 0
    }

    consuming func send<Body: BitwiseCopyable>(_ body: Body) {
        withUnsafeBytes(of: body) { channel.reply(to: unique, $0) }
        unique = 0
    }

    consuming func send(bytes: UnsafeRawBufferPointer) {
        channel.reply(to: unique, bytes)
        unique = 0
    }

    consuming func send(_ bytes: RawSpan) {
        bytes.withUnsafeBytes { channel.reply(to: unique, $0) }
        unique = 0
    }

    consuming func send(from file: Int32, at offset: Int64, count: Int) {
        channel.reply(to: unique, from: file, at: offset, count: count)
        unique = 0
    }
}

/// Which request a reply belongs to.
public struct RequestKey: Sendable {
    let channel: Channel
    let unique: UInt64
    let thread: UInt32
}

/// The answer that a request waits for. Consuming it gives the answer; a reply dropped unanswered fails with EIO.
public protocol Reply: ~Copyable, Sendable {
    var key: RequestKey { get }

    /// Answers with an error.
    consuming func fail(_ error: Errno)
}

extension Reply where Self: ~Copyable {
    /// Puts the answer off: the handler returns, and whoever holds the result answers later, from any thread.
    public consuming func deferred() -> Deferred<Self> { Deferred(self) }

    /// Answers from a task, which is cancelled when the program that waits is interrupted.
    public consuming func later(_ operation: @escaping @Sendable (Deferred<Self>) async -> Void) {
        let pending = deferred()
        let task = Task { await operation(pending) }
        pending.onInterrupt { _ in task.cancel() }
    }
}

internal import Synchronization
internal import SystemPackage

/// A reply that is given later. The first ``take()`` gets it; if nobody takes it the request fails with
/// EIO, or EINTR when it was interrupted.
public final class Deferred<Answering: Reply & ~Copyable>: Sendable {
    private let reply: Mutex<Answering?>
    private let interruption: Interruption?
    private let key: RequestKey

    init(_ reply: consuming Answering) {
        key = reply.key
        interruption = key.channel.shared.pending.add(key.unique, thread: key.thread)
        if interruption == nil {
            // More are waiting than a session keeps track of.
            reply.fail(.resourceTemporarilyUnavailable)
            self.reply = Mutex(nil)
        } else {
            self.reply = Mutex(reply)
        }
    }

    deinit {
        guard let interruption else { return }
        if interruption.isInterrupted, let reply = take() { reply.fail(.interrupted) }
        key.channel.shared.pending.remove(key.unique)
    }

    /// The reply, for the one who answers; `nil` for everybody else.
    public func take() -> Answering? {
        let taken = reply.withLock { $0.take() }
        if taken != nil {
            key.channel.shared.pending.remove(key.unique)
            interruption?.settle()
        }
        return taken
    }

    /// Whether the program that waits was interrupted (EINTR is the answer then, or what has been reached by now).
    public var isInterrupted: Bool { interruption?.isInterrupted ?? true }

    /// Calls once when the program that waits is interrupted: by a signal that ends it, or one that it catches to end its
    /// waiting; not by one that is ignored or tells something only (SIGCHLD, SIGURG, SIGWINCH, SIGCONT). Calls at once if it was already; on a thread of the session. Not
    /// after the answer.
    public func onInterrupt(_ body: @escaping @Sendable (Deferred) -> Void) {
        // What is kept here must not keep the reply, or nobody would answer when it is dropped.
        interruption?.notify { [weak self] in
            if let self { body(self) }
        }
    }
}

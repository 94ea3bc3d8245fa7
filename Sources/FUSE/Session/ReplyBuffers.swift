internal import CFUSE
internal import Synchronization

/// Memory for a reply that is put together, which stays resident once it was written to; and pipes for one that is not.
///
/// @unchecked: one thread at a time has a buffer, handed on under the pool's lock.
final class ReplyBuffer: @unchecked Sendable {
    let memory: UnsafeMutableRawBufferPointer
    let isLocked: Bool
    /// Two pipes, the reading end of each first.
    let pipes: [Int32]?

    init?(capacity: Int, withPipes: Bool) {
        var locked: Int32 = 0
        guard let start = cfuse_allocate_resident(capacity, 0, &locked) else { return nil }
        memory = UnsafeMutableRawBufferPointer(start: start, count: capacity)
        isLocked = locked != 0
        pipes = withPipes ? Self.makePipes(capacity) : nil
    }

    deinit {
        for end in pipes ?? [] { cfuse_close(end) }
        cfuse_free_resident(memory.baseAddress, memory.count)
    }

    private static func makePipes(_ capacity: Int) -> [Int32]? {
        var ends: [Int32] = [-1, -1, -1, -1]
        return ends.withUnsafeMutableBufferPointer { ends -> Bool in
            // One page more, for the header in front.
            guard cfuse_make_pipe(ends.baseAddress, capacity + 4096) == 0 else { return false }
            guard cfuse_make_pipe(ends.baseAddress! + 2, capacity + 4096) == 0 else {
                cfuse_close(ends[0])
                cfuse_close(ends[1])
                return false
            }
            return true
        } ? ends : nil
    }
}

/// The buffers of a session; as many as are in use at a time, and a few of them kept.
final class ReplyBuffers: Sendable {
    let capacity: Int
    private let withPipes: Bool
    private let idle: Mutex<[ReplyBuffer]>

    init(capacity: Int, withPipes: Bool) {
        self.capacity = capacity
        self.withPipes = withPipes
        var empty: [ReplyBuffer] = []
        empty.reserveCapacity(FUSELimits.idleReplyBuffers)
        idle = Mutex(empty)
    }

    func take() -> ReplyBuffer? {
        idle.withLock { $0.popLast() } ?? ReplyBuffer(capacity: capacity, withPipes: withPipes)
    }

    func give(_ buffer: ReplyBuffer) {
        idle.withLock { idle in
            if idle.count < FUSELimits.idleReplyBuffers { idle.append(buffer) }
        }
    }
}

/// One buffer, until it is given back.
struct TakenBuffer: ~Copyable, Sendable {
    let buffer: ReplyBuffer
    private let pool: ReplyBuffers

    init?(from pool: ReplyBuffers) {
        guard let buffer = pool.take() else { return nil }
        self.buffer = buffer
        self.pool = pool
    }

    deinit { pool.give(buffer) }
}

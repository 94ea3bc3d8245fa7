internal import CFUSE
internal import Glibc

/// One processor's queue of requests over io_uring, with room for several at a time.
///
/// @unchecked: the C side has its own lock for what other threads answer; everything else is the queue's own thread's.
final class RingQueue: @unchecked Sendable {
    private let ring: OpaquePointer
    /// Its descriptor is what the queue's commands go to.
    let device: Channel

    init(device: Channel, processor: Int) throws(FUSEError) {
        var error: Int32 = 0
        let payload = max(device.shared.agreement.transferBytes, Int(FUSE_MIN_READ_BUFFER))
        let made = cfuse_ring_create(
            device.descriptor, UInt32(processor), UInt32(FUSELimits.ringRequests), payload, &error)
        guard let made else {
            throw FUSEError.systemCall("no queue of io_uring can be made for the mount", -error, .unsupported)
        }
        ring = made
        self.device = device
    }

    deinit { cfuse_ring_destroy(ring) }

    func payload(of entry: UInt32) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(
            start: cfuse_ring_payload(ring, entry), count: device.shared.agreement.transferBytes)
    }

    /// - Parameter count: bytes of the answer, which are in the payload.
    func answer(_ entry: UInt32, unique: UInt64, error: Int32, count: Int) {
        cfuse_ring_answer(ring, entry, unique, error, count)
    }

    func start() -> Int32 { cfuse_ring_start(ring) }

    func wait(_ indices: UnsafeMutableBufferPointer<UInt32>) -> Int32 {
        cfuse_ring_wait(ring, indices.baseAddress, UInt32(indices.count))
    }

    func message(of entry: UInt32) -> SplitMessage {
        SplitMessage(
            header: UnsafeRawBufferPointer(
                start: cfuse_ring_header(ring, entry), count: RequestDecoder.headerSize),
            fixed: UnsafeRawBufferPointer(start: cfuse_ring_fixed(ring, entry), count: SplitMessage.fixedSize),
            rest: UnsafeRawBufferPointer(
                start: cfuse_ring_payload(ring, entry), count: cfuse_ring_payload_size(ring, entry)))
    }
}

/// A request whose parts stand apart.
struct SplitMessage {
    static let fixedSize = 128

    let header: UnsafeRawBufferPointer
    /// The first argument, where it is a structure.
    let fixed: UnsafeRawBufferPointer
    let rest: UnsafeRawBufferPointer
}

/// One place of a queue: a request at a time.
struct RingEntry: Sendable {
    let queue: RingQueue
    let index: UInt32

    func reply(to unique: UInt64, _ error: Int32) { queue.answer(index, unique: unique, error: error, count: 0) }

    func reply(to unique: UInt64, _ body: UnsafeRawBufferPointer) {
        let room = queue.payload(of: index)
        guard body.count <= room.count else { return reply(to: unique, EIO) }
        room.copyMemory(from: body)
        queue.answer(index, unique: unique, error: 0, count: body.count)
    }

    func reply(to unique: UInt64, from file: Int32, at offset: Int64, count: Int) {
        let room = UnsafeMutableRawBufferPointer(rebasing: queue.payload(of: index).prefix(count))
        var held = 0
        while held < room.count {
            let read = pread(file, room.baseAddress! + held, room.count - held, off_t(offset) + held)
            if read < 0, errno == EINTR { continue }
            if read < 0 { return reply(to: unique, errno) }
            if read == 0 { break }
            held += read
        }
        queue.answer(index, unique: unique, error: 0, count: held)
    }
}

/// A thread that has the requests of one queue answered.
final class RingWorker: Sendable {
    private let session: Session
    private let queue: RingQueue
    private let shared: SharedState

    init(session: Session, queue: RingQueue, shared: SharedState) {
        self.session = session
        self.queue = queue
        self.shared = shared
    }

    /// 0, or a negative errno.
    func start() -> Int32 {
        let context = Unmanaged.passRetained(self)
        let result = cfuse_start_thread(
            "fuse-worker", { Unmanaged<RingWorker>.fromOpaque($0!).takeRetainedValue().run() }, context.toOpaque())
        if result != 0 { context.release() }
        return result
    }

    private func run() {
        let thread = cfuse_current_thread()
        session.began(thread)
        session.ended(thread, disconnected: serve())
    }

    private func serve() -> Bool {
        let channels = (0..<UInt32(FUSELimits.ringRequests)).map {
            Channel(entry: RingEntry(queue: queue, index: $0), shared: shared)
        }
        guard queue.start() == 0 else { return true }
        let indices = UnsafeMutableBufferPointer<UInt32>.allocate(capacity: FUSELimits.ringRequests)
        defer { indices.deallocate() }
        while !session.mustStop {
            let count = queue.wait(indices)
            if count == -EINTR { continue }
            guard count > 0 else { return true }
            for index in indices.prefix(Int(count)) {
                session.handle(queue.message(of: index), on: channels[Int(index)])
            }
        }
        return false
    }
}

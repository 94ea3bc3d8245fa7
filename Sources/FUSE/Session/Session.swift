internal import CFUSE
internal import Glibc
internal import Synchronization
public import SystemPackage

/// A mount that is being served: threads that take the kernel's requests and hand them to a file system.
///
/// It runs until the mount is gone, or ``stop()`` ends the threads and leaves the mount to somebody else.
public final class Session: Sendable {
    /// What is in use; for people, and for `status`.
    public struct Report: Sendable {
        public var features: Features
        public var kernelMinor: UInt32
        public var workers: Int
        /// Open devices: the mount's own, and clones of it.
        public var channels: Int
        /// Requests that reached the session, and those that are answered later and still wait.
        public var requests: UInt64
        public var waiting: Int
        /// Answers that nobody waited for any more, or that the kernel refused.
        public var refusedAnswers: UInt64
    }

    private struct State {
        var channels: [Channel]
        /// The threads that run, by the kernel's number.
        var threads: Set<Int32> = []
        var running = 0
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    public let agreement: Agreement
    /// Where it is mounted, if that is known.
    public let mountpoint: String?
    let shared: SharedState
    private let dispatch: Dispatch
    private let state: Mutex<State>
    private let isStopping = Atomic<Bool>(false)

    private init(files: any FileSystem, channels: [Channel], shared: SharedState, mountpoint: String?) {
        agreement = shared.agreement
        self.shared = shared
        self.mountpoint = mountpoint
        dispatch = Dispatch(files: files, features: shared.agreement.features)
        state = Mutex(State(channels: channels))
    }

    // MARK: Beginning

    /// Mounts a file system and serves it. It can be used when this returns.
    ///
    /// Blocks for as long as mount(2) or `fusermount3` take.
    /// - Parameters:
    ///   - files: what answers.
    ///   - path: the mountpoint, a folder.
    ///   - options: how it is mounted.
    ///   - wishes: what is used if the kernel has it.
    ///   - workers: threads that answer; each has a channel of its own where the device can be opened again.
    public static func mount(
        _ files: any FileSystem, at path: String, options: MountOptions = MountOptions(), wishes: Wishes = Wishes(),
        workers: Int = 2
    ) throws(FUSEError) -> Session {
        let device = try options.mount(at: path)
        let session: Session
        do {
            var wishes = wishes
            // Nothing is written: no thread needs room for it.
            if !(files is any WritableFileSystem) { wishes.writeBytes = 0 }
            let agreement = try initialize(device, wishes: wishes)
            let shared = SharedState(agreement: agreement)
            var channels = [Channel(adopting: device, shared: shared)]
            let workers = min(max(workers, 1), FUSELimits.workers)
            while channels.count < workers {
                // An ordinary user may not be able to open the device: then all read from one.
                let clone = cfuse_clone_device(device, options.device)
                guard clone >= 0 else { break }
                channels.append(Channel(adopting: clone, shared: shared))
            }
            session = Session(files: files, channels: channels, shared: shared, mountpoint: Mountpoint.absolute(path))
            try session.start(workers: workers)
        } catch {
            try? Mountpoint(path).unmount(lazily: true)
            throw error
        }
        return session
    }

    /// Serves a mount that somebody else has just made, in a namespace of its own perhaps, and on whose device nothing
    /// has been read yet.
    /// - Parameters:
    ///   - files: what the mount shows.
    ///   - descriptors: the mount's device, and clones of it; they belong to the session from now on.
    ///   - wishes: what is asked of the kernel.
    ///   - workers: threads that answer; no fewer than there are descriptors.
    public static func serve(
        _ files: any FileSystem, descriptors: [FileDescriptor], wishes: Wishes = Wishes(), workers: Int = 2
    ) throws(FUSEError) -> Session {
        guard let device = descriptors.first else {
            throw FUSEError(.invalidConfiguration, "a mount cannot be served without its descriptor")
        }
        let agreement: Agreement
        do {
            agreement = try initialize(device.rawValue, wishes: wishes)
        } catch {
            for clone in descriptors.dropFirst() { cfuse_close(clone.rawValue) }
            throw error
        }
        // Threads are numbered as in the namespace of whoever mounted.
        let shared = SharedState(agreement: agreement, seesThreads: false)
        let channels = descriptors.map { Channel(adopting: $0.rawValue, shared: shared) }
        let session = Session(files: files, channels: channels, shared: shared, mountpoint: nil)
        try session.start(workers: max(workers, channels.count))
        return session
    }

    /// Serves a mount that another process, or another session, served before; of this process's namespace of processes.
    /// - Parameters:
    ///   - files: what answers, for the same nodes as before.
    ///   - descriptors: the mount's device and all its clones; they belong to the session from now on.
    ///   - agreement: what the first session agreed on with the kernel.
    ///   - mountpoint: where it is mounted, for ``unmount(lazily:)``.
    ///   - resend: whether what the dead process had read is asked for again. Not to be repeated.
    ///   - workers: threads that answer; no fewer than there are descriptors.
    public static func adopt(
        _ files: any FileSystem, descriptors: [FileDescriptor], agreement: Agreement, mountpoint: String? = nil,
        resend: Bool = true, workers: Int = 2
    ) throws(FUSEError) -> Session {
        let shared = SharedState(agreement: agreement)
        let channels = descriptors.map { Channel(adopting: $0.rawValue, shared: shared) }
        guard !channels.isEmpty else {
            throw FUSEError(.invalidConfiguration, "a mount cannot be taken over without its descriptor")
        }
        // What is in a dead process's ring is never sent again.
        guard !agreement.features.contains(.overIOUring) else {
            throw FUSEError(.unsupported, "a mount over io_uring cannot be taken over: mount it without")
        }
        let session = Session(files: files, channels: channels, shared: shared, mountpoint: mountpoint)
        if resend, agreement.hasResend { try session.resend() }
        try session.start(workers: max(workers, channels.count))
        return session
    }

    private static func initialize(_ device: Int32, wishes: Wishes) throws(FUSEError) -> Agreement {
        var negotiation = Negotiation(wishes: possible(wishes))
        // The kernel never sends more before it has its answer.
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 128 << 10, alignment: 8)
        defer { buffer.deallocate() }
        while true {
            let count = cfuse_read_request(device, buffer.baseAddress, buffer.count)
            if count == -Int(EINTR) || count == -Int(ENOENT) { continue }
            guard count > 0 else {
                cfuse_close(device)
                throw FUSEError.systemCall("the first request of the mount cannot be read", Int32(count))
            }
            let message = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer).prefix(count))
            guard let (request, _) = try? RequestDecoder.header(of: message),
                case .initialize(let offer)? = try? RequestDecoder.operation(of: message)
            else {
                cfuse_close(device)
                throw FUSEError(.protocolMismatch, "the kernel's first request is not INIT")
            }
            switch negotiation.receive(offer) {
            case .insistOnVersion:
                var answer = cfuse_init_out()
                answer.major = Negotiation.major
                answer.minor = Negotiation.minor
                _ = withUnsafeBytes(of: answer) {
                    cfuse_reply(device, request.unique, 0, $0.baseAddress, $0.count)
                }
            case .refuse(let reason):
                _ = cfuse_reply(device, request.unique, EPROTO, nil, 0)
                cfuse_close(device)
                throw FUSEError(.protocolMismatch, "the mount fails: \(reason)")
            case .agree(let agreement):
                let result = withUnsafeBytes(of: agreement.answer) {
                    cfuse_reply(device, request.unique, 0, $0.baseAddress, $0.count)
                }
                guard result == 0 else {
                    cfuse_close(device)
                    throw FUSEError.systemCall("the kernel refuses the answer to INIT", result)
                }
                return agreement
            }
        }
    }

    /// What is to be asked for: io_uring not where this process may not use it.
    private static func possible(_ wishes: Wishes) -> Wishes {
        var wishes = wishes
        if wishes.features.contains(.overIOUring), cfuse_ring_is_possible() == 0 {
            wishes.features.remove(.overIOUring)
        }
        return wishes
    }

    /// Requests come over io_uring only when each processor that there may ever be has its queue; FORGET and INTERRUPT
    /// still come through the device.
    private func startRings(on device: Channel) throws(FUSEError) {
        for processor in 0..<Int(cfuse_ring_processors()) {
            let queue = try RingQueue(device: device, processor: processor)
            state.withLock { $0.running += 1 }
            let result = RingWorker(session: self, queue: queue, shared: shared).start()
            if result != 0 {
                state.withLock { $0.running -= 1 }
                throw FUSEError.systemCall("no thread can be started for the mount", result)
            }
        }
    }

    private func start(workers: Int) throws(FUSEError) {
        let channels = state.withLock { $0.channels }
        if agreement.features.contains(.overIOUring) { try startRings(on: channels[0]) }
        for index in 0..<min(max(workers, 1), FUSELimits.workers) {
            let worker = Worker(session: self, channel: channels[index % channels.count])
            state.withLock { $0.running += 1 }
            let result = worker.start()
            if result != 0 {
                state.withLock { $0.running -= 1 }
                if index == 0 { throw FUSEError.systemCall("no thread can be started for the mount", result) }
                return
            }
        }
    }

    // MARK: Ending

    /// Removes the mount; the session ends when nobody uses it any more.
    /// - Parameter lazily: also while it is in use: then it vanishes from the tree, and those who use it go on.
    public func unmount(lazily: Bool = false) throws(FUSEError) {
        guard let mountpoint else {
            throw FUSEError(.invalidConfiguration, "the session does not know where it is mounted")
        }
        try Mountpoint(mountpoint).unmount(lazily: lazily)
    }

    /// Ends all threads, and leaves mount and descriptors as they are, for somebody to take over. Blocks until handlers
    /// that run have returned; not to be called from one.
    public func stop() {
        isStopping.store(true, ordering: .sequentiallyConsistent)
        while true {
            // A thread may be just about to wait when it is woken: so again until it has seen it.
            let isOver = state.withLock { state in
                for thread in state.threads { _ = cfuse_wake_thread(thread) }
                return state.running == 0
            }
            if isOver { return }
            usleep(500)
        }
    }

    public var isRunning: Bool { state.withLock { $0.running > 0 } }

    /// Returns when no thread of the session runs any more: the mount is gone, or was left to somebody else.
    public func ended() async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                if state.running > 0 { state.waiters.append(continuation) }
                return state.running == 0
            }
            if isOver { continuation.resume() }
        }
    }

    // MARK: Its parts

    /// The mount's device first, then its clones: what must be kept, all of it, for the mount to outlive this process.
    /// They stay the session's own.
    public var descriptors: [FileDescriptor] {
        state.withLock { $0.channels.map { FileDescriptor(rawValue: $0.descriptor) } }
    }

    public var report: Report {
        let (workers, channels) = state.withLock { ($0.running, $0.channels.count) }
        return Report(
            features: agreement.features, kernelMinor: agreement.kernelMinor, workers: workers, channels: channels,
            requests: shared.counts.total, waiting: shared.pending.count, refusedAnswers: shared.counts.refused)
    }

    /// How many requests of a kind reached the session, by the protocol's number (1 LOOKUP, 15 READ, 44 READDIRPLUS).
    public func requests(ofKind opcode: Int) -> UInt64 { shared.counts[opcode] }

    /// Some channel, for what is not an answer.
    func firstChannel() throws(FUSEError) -> Channel {
        guard let channel = state.withLock({ $0.channels.first }) else {
            throw FUSEError(.disconnected, "the mount is gone")
        }
        return channel
    }

    // MARK: Workers

    var mustStop: Bool { isStopping.load(ordering: .sequentiallyConsistent) }

    func began(_ thread: Int32) { state.withLock { _ = $0.threads.insert(thread) } }

    func handle(_ message: UnsafeRawBufferPointer, on channel: Channel) { dispatch.handle(message, on: channel) }
    func handle(_ message: SplitMessage, on channel: Channel) { dispatch.handle(message, on: channel) }

    /// - Parameter disconnected: whether the connection has ended, so that its descriptors are of no more use.
    func ended(_ thread: Int32, disconnected: Bool) {
        let isLast = state.withLock { state in
            state.threads.remove(thread)
            if disconnected { state.channels.removeAll() }
            // The last one counts as running until the file system has heard of it.
            if state.running > 1 {
                state.running -= 1
                return false
            }
            return true
        }
        guard isLast else { return }
        dispatch.files.ended()
        let waiters = state.withLock { state in
            state.running = 0
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }
}

public import CASCore
internal import CLauncher
internal import CPlatform
public import FUSE
internal import Glibc
internal import Synchronization
public import SystemPackage

/// A program that runs in namespaces of its own (mount, pid, uts, ipc; user as well when the caller is not root), on a
/// root whose lower layer is lazy.
///
/// Nothing of it is visible outside: all mounts are in its namespace and end with it. It ends with its program, and with
/// the process that started it, in whatever way that dies.
public final class Container: Sendable {
    /// What is below the container's writable layer.
    public enum Root: Sendable {
        /// Served by this process, for as long as the container runs.
        case served(any FileSystem)
        /// A folder of the host.
        case folder(FilePath)
    }

    /// The launcher's handle, which means nothing any more when the program has ended.
    private struct State {
        var handle: claunch_handle
        var waiting: Task<Int32, any Error>?
        var hasEnded = false
    }

    private let state: Mutex<State>
    let session: Session?
    /// The first process in the container, as this process sees it; signals to it reach the program. Another process may
    /// have the number when the container has ended.
    public let processID: Int32
    /// From the call until the program's first instruction.
    public let timeToStart: Duration

    private init(_ handle: claunch_handle, session: Session?, timeToStart: Duration) {
        state = Mutex(State(handle: handle))
        processID = handle.process
        self.session = session
        self.timeToStart = timeToStart
    }

    /// Starts a program. It runs when this returns.
    ///
    /// - Parameters:
    ///   - program: what to start, and as whom.
    ///   - root: what is below the container's writable layer.
    ///   - path: where the image is in the root.
    ///   - options: how the container is set up.
    ///   - beginning: what `timeToStart` is counted from.
    /// - Throws: `ProvisionerError`: `.refused` with `errno` when the system does not give what a container needs,
    ///   `.program` when the program cannot be started, `.invalidArgument`.
    public static func start(
        _ program: ContainerProgram, on root: Root, at path: RepositoryPath = .root,
        options: ContainerOptions = ContainerOptions(), since beginning: ContinuousClock.Instant = .now
    ) async throws -> Container {
        do {
            return try await launch(program, on: root, at: path, options: options, since: beginning)
        } catch let error as NotMapped {
            throw error.cause
        }
    }

    /// - Throws: `NotMapped`, besides.
    static func launch(
        _ program: ContainerProgram, on root: Root, at path: RepositoryPath, options: ContainerOptions,
        since beginning: ContinuousClock.Instant
    ) async throws -> Container {
        try program.check()
        guard options.hostname.utf8.count <= ProvisionerLimits.hostnameBytes else {
            throw ProvisionerError(.invalidArgument, "the host name \(options.hostname) is too long")
        }
        return try await onThread("cvmfs-start") {
            try startHere(program, on: root, at: path, options: options, since: beginning)
        }
    }

    /// Waits until the program has ended, and with it all that it started. When the task is cancelled, the container is
    /// killed.
    public func ended() async throws -> ContainerStatus {
        // Once, however many ask: the descriptors are closed then, and others may have their numbers.
        let waiting = state.withLock { state -> Task<Int32, any Error> in
            if let waiting = state.waiting { return waiting }
            let waiting = Task<Int32, any Error> { [self] in
                try await Self.onThread("cvmfs-wait") { [self] () -> Int32 in
                    var copy = self.state.withLock { $0.handle }
                    let status = claunch_wait_until_ended(&copy)
                    self.state.withLock { $0.hasEnded = true }
                    return status
                }
            }
            state.waiting = waiting
            return waiting
        }
        let status = try await withTaskCancellationHandler {
            try await waiting.value
        } onCancel: {
            kill()
        }
        await session?.ended()
        return ContainerStatus(status)
    }

    /// Kills the program and all that it started; nothing happens when it has ended.
    public func kill() {
        state.withLock { state in
            guard !state.hasEnded else { return }
            claunch_kill(&state.handle)
        }
    }

    /// From now on signals that somebody sends to this process (HUP, INT, QUIT, TERM, USR1, USR2, WINCH) go to the
    /// program. For one container a process.
    public func takeSignals() {
        state.withLock { state in
            guard !state.hasEnded else { return }
            claunch_forward_signals(&state.handle)
        }
    }

    /// How many requests of the kernel reached the mount.
    public var requests: UInt64 { session?.report.requests ?? 0 }

    // MARK: Inside

    private static func startHere(
        _ program: ContainerProgram, on root: Root, at path: RepositoryPath, options: ContainerOptions,
        since beginning: ContinuousClock.Instant
    ) throws -> Container {
        var handle = claunch_handle()
        var problem = claunch_problem()
        let result = withLaunchDescription(program, root, path, options) { claunch_start(&$0, &handle, &problem) }
        if result == CLAUNCHER_NOT_MAPPED { throw NotMapped(cause: error(problem, program)) }
        guard result == 0 else { throw error(problem, program) }
        var session: Session?
        if case .served(let files) = root {
            let descriptors = withUnsafeBytes(of: handle.descriptors) {
                Array($0.bindMemory(to: Int32.self).prefix(Int(handle.descriptor_count)))
            }
            do {
                session = try Session.serve(
                    files, descriptors: descriptors.map { FileDescriptor(rawValue: $0) },
                    workers: options.workers)
            } catch {
                claunch_kill(&handle)
                _ = claunch_wait_until_ended(&handle)
                throw ProvisionerError(.refused, "the container's mount cannot be served: \(error)", cause: error)
            }
        }
        guard claunch_wait_until_started(&handle, &problem) == 0 else {
            _ = claunch_wait_until_ended(&handle)
            throw error(problem, program)
        }
        return Container(handle, session: session, timeToStart: .now - beginning)
    }

    private static func error(_ problem: claunch_problem, _ program: ContainerProgram) -> ProvisionerError {
        let what = withUnsafeBytes(of: problem.what) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        let errno = Errno(rawValue: problem.error)
        let name = program.arguments.first ?? ""
        if what.hasSuffix(name), what.contains("started") {
            return ProvisionerError(.program, what, errno: errno)
        }
        return ProvisionerError(.refused, "the container cannot be started: \(what)", errno: errno)
    }

    /// A thread for one call that may last as long as a container does.
    private static func onThread<Result: Sendable>(
        _ name: String, _ body: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Result, any Error>) in
            let call = Unmanaged.passRetained(ThreadCall { continuation.resume(with: Swift.Result(catching: body)) })
            let error = cplatform_start_thread(
                name,
                { context in
                    guard let context else { return }
                    Unmanaged<ThreadCall>.fromOpaque(context).takeRetainedValue().body()
                }, call.toOpaque())
            guard error != 0 else { return }
            call.release()
            continuation.resume(
                throwing: ProvisionerError(.refused, "no thread can be started", errno: Errno(rawValue: error)))
        }
    }
}

/// The system does not let this user have what is set aside.
struct NotMapped: Error {
    let cause: ProvisionerError
}

extension claunch_ids {
    fileprivate init(_ range: Range<UInt32>) { self.init(first: range.lowerBound, count: UInt32(range.count)) }
}

private final class ThreadCall: Sendable {
    let body: @Sendable () -> Void

    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}

/// The launcher's description of a container, whose strings live as long as the call.
private func withLaunchDescription<Result>(
    _ program: ContainerProgram, _ root: Container.Root, _ path: RepositoryPath, _ options: ContainerOptions,
    _ body: (inout claunch_container) -> Result
) -> Result {
    var owned: [UnsafeMutablePointer<CChar>] = []
    defer { for text in owned { free(text) } }
    func copy(_ text: String) -> UnsafeMutablePointer<CChar>? {
        guard let copy = strdup(text) else { return nil }
        owned.append(copy)
        return copy
    }
    func copy(bytes: some Sequence<UInt8>) -> UnsafeMutablePointer<CChar>? {
        let bytes = bytes.map { CChar(bitPattern: $0) } + [0]
        guard let copy = bytes.withUnsafeBufferPointer({ $0.baseAddress.flatMap { strdup($0) } }) else { return nil }
        owned.append(copy)
        return copy
    }

    let arguments = program.words.map { copy(bytes: $0) } + [nil]
    let environment = program.environment.map { copy($0) } + [nil]
    let binds = options.binds.map { bind in
        claunch_bind(
            source: copy(bind.source.string), target: copy(bind.target.string), is_read_only: bind.isReadOnly ? 1 : 0)
    }
    var container = claunch_container()
    container.device = UnsafePointer(copy(options.device))
    container.descriptors = Int32(max(1, min(options.workers, Int(CLAUNCHER_DESCRIPTORS))))
    container.source = UnsafePointer(copy("cvmfs"))
    if case .folder(let path) = root { container.lower = UnsafePointer(copy(path.string)) }
    container.path = UnsafePointer(copy(bytes: path.bytes.dropFirst()))
    if let layer = options.layer { container.layer = UnsafePointer(copy(layer.string)) }
    container.is_read_only = options.isReadOnly ? 1 : 0
    container.has_user_namespace = geteuid() == 0 ? 0 : 1
    if geteuid() != 0, let subordinates = options.subordinates {
        container.user_mapper = UnsafePointer(copy(subordinates.userMapper))
        container.group_mapper = UnsafePointer(copy(subordinates.groupMapper))
        container.more_users = claunch_ids(subordinates.users)
        container.more_groups = claunch_ids(subordinates.groups)
    }
    container.hostname = UnsafePointer(copy(options.hostname))
    container.bind_count = Int32(binds.count)
    container.folder = UnsafePointer(copy(program.folder))
    container.user = program.user.id
    container.group = program.user.group
    container.group_count = Int32(program.user.groups.count)
    container.allows_privileges = options.allowsNewPrivileges ? 1 : 0
    return arguments.withUnsafeBufferPointer { arguments in
        environment.withUnsafeBufferPointer { environment in
            binds.withUnsafeBufferPointer { binds in
                program.user.groups.withUnsafeBufferPointer { groups in
                    container.arguments = arguments.baseAddress
                    container.environment = environment.baseAddress
                    container.binds = binds.baseAddress
                    container.groups = groups.baseAddress
                    return body(&container)
                }
            }
        }
    }
}

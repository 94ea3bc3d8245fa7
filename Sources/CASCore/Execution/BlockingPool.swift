internal import CPlatform
internal import DequeModule

/// A few threads for what blocks or computes for long: disk, cold SQLite pages, hashing, inflating.
///
/// The cooperative pool must never block, so such work runs here, either as a closure (`run`) or as a task that
/// prefers this executor (`Task(executorPreference:)`). Demand overtakes prefetch: jobs of a task priority below
/// `.medium` wait until no other is left.
public final class BlockingPool: TaskExecutor {
    /// The pool that the stores and catalogs of the process share: two threads a core, four at least.
    public static let shared = BlockingPool(threads: max(4, 2 * Int(cplatform_processor_count())))

    private let queue = JobQueue()

    /// - Parameter threads: how many threads to start, at least one. They end when the pool is released. Where the
    ///   system gives fewer, the pool works with those; a process that gets none cannot go on.
    public init(threads: Int) {
        var started = 0
        for _ in 0..<max(1, threads) {
            let worker = Unmanaged.passRetained(Worker(queue: queue, executor: asUnownedTaskExecutor()))
            let error = cplatform_start_thread(
                "cvmfs-pool",
                { context in
                    guard let context else { return }
                    Unmanaged<Worker>.fromOpaque(context).takeRetainedValue().run()
                }, worker.toOpaque())
            guard error == 0 else {
                worker.release()
                precondition(started > 0, "no thread can be started (errno \(error))")
                break
            }
            started += 1
        }
    }

    deinit { queue.stop() }

    public func enqueue(_ job: consuming ExecutorJob) {
        let isDemand = job.priority.rawValue >= TaskPriority.medium.rawValue
        queue.append(UnownedJob(job), isDemand: isDemand)
    }

    /// Runs a closure on one of the threads, for a caller on any executor.
    ///
    /// It runs also when the task has been cancelled, so that clean-up does; long work looks at `Task.isCancelled`.
    public func run<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
        try await withTaskExecutorPreference(self) { try await Self.here(body) }
    }

    // Being @concurrent it runs on the task's preferred executor whatever the caller's isolation.
    @concurrent private static func here<Result: Sendable>(
        _ body: @Sendable () throws -> Result
    ) async throws -> Result { try body() }
}

/// What one thread needs: passed to it retained, so that the queue outlives the pool until its threads have ended.
private final class Worker: Sendable {
    private let queue: JobQueue
    // Valid for as long as a job of the executor runs: tasks keep the executor they prefer alive.
    private let executor: UnownedTaskExecutor

    init(queue: JobQueue, executor: UnownedTaskExecutor) {
        self.queue = queue
        self.executor = executor
    }

    func run() {
        while let job = queue.next() { job.runSynchronously(on: executor) }
    }
}

/// Two queues behind one condition.
///
/// `@unchecked`: every access to the queues is between `lock` and `unlock` of the gate.
private final class JobQueue: @unchecked Sendable {
    private let gate = cplatform_gate_create()
    private var demand: Deque<UnownedJob> = []
    private var prefetch: Deque<UnownedJob> = []
    private var isStopping = false
    private var sleepers = 0
    /// A sleeper was woken and has not come yet.
    private var isCalled = false

    deinit { cplatform_gate_destroy(gate) }

    func append(_ job: UnownedJob, isDemand: Bool) {
        cplatform_gate_lock(gate)
        if isDemand { demand.append(job) } else { prefetch.append(job) }
        let wakes = callsSleeper()
        cplatform_gate_unlock(gate)
        if wakes { cplatform_gate_signal(gate) }
    }

    /// Waits for a job; `nil` when the pool is gone and nothing is left to do.
    func next() -> UnownedJob? {
        cplatform_gate_lock(gate)
        while true {
            if let job = demand.popFirst() ?? prefetch.popFirst() {
                let wakes = !(demand.isEmpty && prefetch.isEmpty) && callsSleeper()
                cplatform_gate_unlock(gate)
                if wakes { cplatform_gate_signal(gate) }
                return job
            }
            if isStopping {
                cplatform_gate_unlock(gate)
                return nil
            }
            sleepers += 1
            cplatform_gate_wait(gate)
            sleepers -= 1
            isCalled = false
        }
    }

    /// Whether a thread that sleeps is to be woken now: one at a time, which wakes the next one when it finds more than
    /// one job. So threads that are about to finish come to most jobs before a thread has to be woken for them.
    private func callsSleeper() -> Bool {
        guard sleepers > 0, !isCalled else { return false }
        isCalled = true
        return true
    }

    func stop() {
        cplatform_gate_lock(gate)
        isStopping = true
        cplatform_gate_unlock(gate)
        cplatform_gate_broadcast(gate)
    }
}

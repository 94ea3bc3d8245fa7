import CASCore
import Foundation
import Synchronization
import Testing

@Suite("The pool for what blocks", .timeLimit(.minutes(1)))
struct BlockingPoolTests {
    /// Holds threads until it is opened; what the pool is there for.
    private final class Gate: Sendable {
        private let condition = NSCondition()
        private let state = Mutex((waiting: 0, isOpen: false))

        func wait() {
            condition.withLock {
                state.withLock { $0.waiting += 1 }
                condition.broadcast()
                while !state.withLock({ $0.isOpen }) { condition.wait() }
            }
        }

        func open() {
            condition.withLock {
                state.withLock { $0.isOpen = true }
                condition.broadcast()
            }
        }

        /// Blocks until so many threads wait.
        func reach(_ count: Int) {
            condition.withLock {
                while state.withLock({ $0.waiting }) < count { condition.wait() }
            }
        }
    }

    /// What jobs have done.
    private final class Record: Sendable {
        private let entries = Mutex<[String]>([])

        func add(_ entry: String) { entries.withLock { $0.append(entry) } }

        var all: [String] { entries.withLock { $0 } }
    }

    @Test("blocked threads are the pool's own, so that other tasks go on")
    func ownThreads() async throws {
        // More than the cooperative pool has threads: there they could not all wait at once.
        let count = 4 * ProcessInfo.processInfo.activeProcessorCount
        let pool = BlockingPool(threads: count)
        let watch = BlockingPool(threads: 1)
        let gate = Gate()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<count { group.addTask { try await pool.run { gate.wait() } } }
            try await watch.run { gate.reach(count) }
            let others = await withTaskGroup(of: Int.self) { others in
                for index in 0..<100 {
                    others.addTask {
                        await Task.yield()
                        return index
                    }
                }
                return await others.reduce(0, +)
            }
            #expect(others == 4950)
            gate.open()
            try await group.waitForAll()
        }
    }

    @Test("demand overtakes prefetch, and each goes in order")
    func priorities() async throws {
        let pool = BlockingPool(threads: 1)
        let watch = BlockingPool(threads: 1)
        let gate = Gate()
        let order = Record()
        let blocked = Task(executorPreference: pool) { gate.wait() }
        try await watch.run { gate.reach(1) }
        // A task of a preferred executor is queued before its initialiser returns.
        let priorities: [(String, TaskPriority?)] = [
            ("background", .background), ("utility", .utility), ("medium", .medium), ("high", .high),
            ("inherited", nil),
        ]
        var tasks: [Task<Void, Never>] = []
        for round in 1...3 {
            for (name, priority) in priorities {
                tasks.append(
                    Task(executorPreference: pool, priority: priority) {
                        order.add("\(name) \(round)")
                    })
            }
        }
        gate.open()
        await blocked.value
        for task in tasks { await task.value }
        let demand = (1...3).flatMap { round in ["medium", "high", "inherited"].map { "\($0) \(round)" } }
        let prefetch = (1...3).flatMap { round in ["background", "utility"].map { "\($0) \(round)" } }
        #expect(order.all == demand + prefetch)
    }

    @Test("many jobs from many tasks all run, each once")
    func concurrently() async throws {
        let pool = BlockingPool(threads: 3)
        let jobs = Record()
        try await withThrowingTaskGroup(of: Int.self) { group in
            for task in 0..<50 {
                group.addTask {
                    var results = 0
                    for job in 0..<100 {
                        results += try await pool.run {
                            jobs.add("\(task) \(job)")
                            return task * 100 + job
                        }
                    }
                    return results
                }
            }
            let total = try await group.reduce(0, +)
            #expect(total == 5000 * 4999 / 2)
        }
        #expect(jobs.all.count == 5000)
        #expect(Set(jobs.all).count == 5000)
    }

    @Test("a cancelled task's closure runs, and can see that it is cancelled")
    func cancelled() async throws {
        let pool = BlockingPool(threads: 1)
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await pool.run { Task.isCancelled }
        }
        let isCancelled = try await task.value
        #expect(isCancelled)
        let isOtherCancelled = try await pool.run { Task.isCancelled }
        #expect(!isOtherCancelled)
    }

    @Test("a closure is cancelled while it runs")
    func cancelledWhileRunning() async throws {
        let pool = BlockingPool(threads: 1)
        let watch = BlockingPool(threads: 1)
        let gate = Gate()
        let task = Task {
            try await pool.run {
                gate.wait()
                try Task.checkCancellation()
            }
        }
        try await watch.run { gate.reach(1) }
        task.cancel()
        gate.open()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test("what the closure throws comes through")
    func throwing() async throws {
        let pool = BlockingPool(threads: 1)
        let error = await #expect(throws: CASError.self) { try await pool.run { throw CASError(.noSpace, "full") } }
        #expect(error?.code == .noSpace)
    }

    @Test("a caller on the main actor leaves the main thread and returns to it")
    @MainActor func mainActor() async throws {
        let pool = BlockingPool(threads: 1)
        let isMain = try await pool.run { Thread.isMainThread }
        #expect(!isMain)
        MainActor.assertIsolated()
    }

    @Test("a task on the pool's only thread may call for the pool")
    func nested() async throws {
        let pool = BlockingPool(threads: 1)
        let task = Task(executorPreference: pool) { try await pool.run { 42 } }
        let found = try await task.value
        #expect(found == 42)
    }

    @Test("a pool is released after its last job, and its threads do what is queued")
    func released() async throws {
        let done = Record()
        weak var released: BlockingPool?
        do {
            let pool = BlockingPool(threads: 2)
            released = pool
            var tasks: [Task<Void, Never>] = []
            for index in 0..<200 {
                tasks.append(Task(executorPreference: pool) { done.add("\(index)") })
            }
            for task in tasks { await task.value }
        }
        // A thread may still be in the last job's epilogue, which holds the pool.
        // Yielding instead would keep tasks of lower priority from a thread, and with them who lets it go.
        while released != nil { try await Task.sleep(for: .milliseconds(1)) }
        #expect(done.all.count == 200)
    }

    #if os(Linux)
        @Test("the threads of a released pool end")
        func threadsEnd() async throws {
            /// Threads of the pools of this process, which other tests have too, but few.
            func count() throws -> Int {
                try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count { thread in
                    (try? String(contentsOfFile: "/proc/self/task/\(thread)/comm", encoding: .utf8)) == "cvmfs-pool\n"
                }
            }
            var pool: BlockingPool? = BlockingPool(threads: 200)
            try await pool?.run {}
            while try count() < 200 { try await Task.sleep(for: .milliseconds(1)) }
            pool = nil
            while try count() >= 200 { try await Task.sleep(for: .milliseconds(1)) }
        }
    #endif
}

internal import CASCore
internal import Synchronization

extension ObjectStoreConformance.Requirement {
    /// What happens when many ask at once.
    static let flightRequirements: [Self] = [
        Self("a hundred callers at once make one flight") { store in
            let object = SampleObject(size: 30_000, seed: 40)
            let flights = ConformanceCounter()
            let gate = ConformanceGate()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<100 {
                    group.addTask {
                        let handle = try await store.object(
                            object.id, size: .exactly(30_000), priority: number % 3 == 0 ? .prefetch : .demand
                        ) { sink in
                            flights.add()
                            try await gate.wait()
                            try object.send(to: sink)
                        }
                        try requireContent(of: object, in: handle)
                    }
                }
                // Who comes after the gate is open finds the object; no order of events makes a second flight.
                for _ in 0..<1000 { await Task.yield() }
                gate.open()
                try await group.waitForAll()
            }
            let count = flights.count
            try require(count == 1, "the source was called \(count) times")
        },
        Self("the failure of a flight reaches all who wait for it") { store in
            let object = SampleObject(size: 100, seed: 41)
            let flights = ConformanceCounter()
            let failures = ConformanceCounter()
            let gate = ConformanceGate()
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<20 {
                    group.addTask {
                        do {
                            _ = try await store.object(object.id) { _ in
                                flights.add()
                                try await gate.wait()
                                throw FlightFailure()
                            }
                        } catch is FlightFailure { failures.add() } catch {}
                    }
                }
                for _ in 0..<1000 { await Task.yield() }
                gate.open()
            }
            let (count, failed) = (flights.count, failures.count)
            try require(failed == 20, "only \(failed) of 20 callers got the source's error")
            try require(count <= 20, "\(count) flights for 20 callers")
            try requireAbsent(object, in: store, "after its flight failed")
        },
        Self("who is cancelled returns at once, and the others get the object") { store in
            let object = SampleObject(size: 1000, seed: 42)
            let (begun, gate) = (ConformanceGate(), ConformanceGate())
            let source: @Sendable (any ByteSink) async throws -> Void = { sink in
                begun.open()
                try await gate.wait()
                try object.send(to: sink)
            }
            let patient = Task { try await store.object(object.id, source) }
            try await begun.wait()
            let impatient = Task { try await store.object(object.id, source) }
            impatient.cancel()
            switch await impatient.result {
            case .success: throw fail("a cancelled caller got the object though it is not there")
            case .failure(let error):
                try require(error is CancellationError, "a cancelled caller got \(error) instead of CancellationError")
            }
            gate.open()
            try requireContent(of: object, in: try await patient.value)
        },
        Self("a flight goes on when the one who began it is cancelled and another waits") { store in
            let object = SampleObject(size: 1000, seed: 43)
            let (begun, gate) = (ConformanceGate(), ConformanceGate())
            let source: @Sendable (any ByteSink) async throws -> Void = { sink in
                begun.open()
                try await gate.wait()
                try object.send(to: sink)
            }
            let first = Task { try await store.object(object.id, source) }
            try await begun.wait()
            let second = Task { try await store.object(object.id, source) }
            for _ in 0..<1000 { await Task.yield() }
            first.cancel()
            if case .success = await first.result { throw fail("the cancelled caller got the object") }
            gate.open()
            try requireContent(of: object, in: try await second.value)
        },
        Self("when all are cancelled the flight is, and nothing is left of it") { store in
            let object = SampleObject(size: 1000, seed: 44)
            let (begun, stopped) = (ConformanceGate(), ConformanceGate())
            let source: @Sendable (any ByteSink) async throws -> Void = { sink in
                try sink.restart(expectedLength: nil)
                try SampleObject.write(Array(object.stored.prefix(500)), to: sink)
                begun.open()
                do { try await ConformanceGate().wait() } catch {
                    stopped.open()
                    throw error
                }
            }
            let callers = (0..<5).map { _ in Task { try await store.object(object.id, source) } }
            try await begun.wait()
            for caller in callers { caller.cancel() }
            for caller in callers {
                guard case .failure(let error) = await caller.result else { throw fail("a cancelled caller got it") }
                try require(error is CancellationError, "a cancelled caller got \(error)")
            }
            try await stopped.wait()
            try requireAbsent(object, in: store, "after its flight was cancelled")
            let fetched = try await store.object(object.id) { try object.send(to: $0) }
            try requireContent(of: object, in: fetched)
        },
        Self("who is cancelled already starts no flight") { store in
            let object = SampleObject(size: 1000, seed: 45)
            let gate = ConformanceGate()
            let caller = Task {
                // Ends with the cancellation below.
                try? await gate.wait()
                _ = try await store.object(object.id) { _ in throw fail("the source was called") }
            }
            caller.cancel()
            guard case .failure(let error) = await caller.result else {
                throw fail("a cancelled caller got the object")
            }
            try require(error is CancellationError, "a cancelled caller got \(error)")
        },
        Self("many objects at once do not mix") { store in
            let objects = (0..<200).map { number in
                SampleObject(
                    size: number * 37, seed: UInt64(number), compression: number % 2 == 0 ? .zlib : .none)
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for object in objects {
                    for _ in 0..<2 {
                        group.addTask {
                            let handle = try await store.object(
                                object.id, size: .exactly(Int64(object.plain.count))
                            ) { sink in
                                try sink.restart(expectedLength: nil)
                                for start in stride(from: 0, to: object.stored.count, by: 1000) {
                                    let piece = Array(object.stored[start..<min(start + 1000, object.stored.count)])
                                    try sink.write(piece.span.bytes)
                                    await Task.yield()
                                }
                                try sink.finish()
                            }
                            try requireContent(of: object, in: handle)
                        }
                    }
                }
                try await group.waitForAll()
            }
            for object in objects {
                guard let cached = try store.cached(object.id) else { throw fail("\(object) is not there afterwards") }
                try requireContent(of: object, in: cached)
            }
        },
    ]
}

private struct FlightFailure: Error {}

/// Counts what several tasks do.
private final class ConformanceCounter: Sendable {
    private let value = Atomic<Int>(0)

    var count: Int { value.load(ordering: .relaxed) }

    func add() { value.add(1, ordering: .relaxed) }
}

/// Lets tasks wait until it is opened, or they are cancelled.
final class ConformanceGate: Sendable {
    private struct State {
        var isOpen = false
        var lastNumber = 0
        var waiting: [Int: CheckedContinuation<Void, any Error>] = [:]
    }

    private let state = Mutex(State())

    func open() {
        let waiting = state.withLock { state in
            state.isOpen = true
            defer { state.waiting = [:] }
            return state.waiting.values.map { $0 }
        }
        for continuation in waiting { continuation.resume() }
    }

    /// - Throws: `CancellationError`.
    func wait() async throws {
        let number = state.withLock { state in
            state.lastNumber += 1
            return state.lastNumber
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                let result = state.withLock { state -> Result<Void, any Error>? in
                    if Task.isCancelled { return .failure(CancellationError()) }
                    if state.isOpen { return .success(()) }
                    state.waiting[number] = continuation
                    return nil
                }
                if let result { continuation.resume(with: result) }
            }
        } onCancel: {
            let continuation = state.withLock { $0.waiting.removeValue(forKey: number) }
            continuation?.resume(throwing: CancellationError())
        }
    }
}

/// Keeps a sink beyond its time, as a careless source might.
final class KeptSink: Sendable {
    private let kept = Mutex<(any ByteSink)?>(nil)

    var sink: (any ByteSink)? { kept.withLock { $0 } }

    func keep(_ sink: any ByteSink) { kept.withLock { $0 = sink } }
}

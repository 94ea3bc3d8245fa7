import CASCore
import Synchronization
public import Transport

/// Proves that an `ObjectTransport` does what its protocol says.
///
/// ```swift
/// @Test(arguments: ObjectTransportConformance.Requirement.allCases)
/// func conformance(_ requirement: ObjectTransportConformance.Requirement) async throws {
///     try await ObjectTransportConformance { resources in
///         MyTransport(servingFrom: try MyServer(resources))
///     }.check(requirement)
/// }
/// ```
public struct ObjectTransportConformance: Sendable {
    /// What can be checked, each by itself.
    public enum Requirement: String, Sendable, CaseIterable {
        /// Bodies of all sizes arrive as they are, by calls in the right order, one at a time.
        case deliversBodies
        /// What does not exist is `notFound`, and nothing is delivered.
        case reportsAbsence
        /// A body longer than the limit is `tooLong`; one of just that length is delivered.
        case keepsLimit
        /// What the sink throws ends the transfer and comes out unchanged.
        case passesSinkErrors
        /// A task that is cancelled before it begins fetches nothing.
        case cancelsBefore
        /// A task that is cancelled in the middle of a body ends.
        case cancelsDuring
        /// Many fetches at the same time do not disturb each other.
        case runsConcurrently
        /// Parts are delivered: from the start, the middle, and up to the end.
        case deliversRanges
    }

    private let transport: @Sendable ([String: [UInt8]]) async throws -> any ObjectTransport

    /// - Parameter transport: makes the transport, on a source that holds these resources. The keys are paths as
    ///   requests spell them, of letters, digits, dots and slashes.
    public init(_ transport: @escaping @Sendable ([String: [UInt8]]) async throws -> any ObjectTransport) {
        self.transport = transport
    }

    /// Checks all requirements.
    /// - Throws: `ConformanceFailure` at the first that is not met, or what making the transport throws.
    public func check() async throws {
        for requirement in Requirement.allCases { try await check(requirement) }
    }

    /// Checks one requirement, on the executor of the caller; the sinks do not block.
    /// - Throws: `ConformanceFailure` when it is not met, or what making the transport throws.
    public func check(_ requirement: Requirement) async throws {
        switch requirement {
        case .deliversBodies: try await checkBodies()
        case .reportsAbsence: try await checkAbsence()
        case .keepsLimit: try await checkLimit()
        case .passesSinkErrors: try await checkSinkErrors()
        case .cancelsBefore: try await checkCancellationBefore()
        case .cancelsDuring: try await checkCancellationDuring()
        case .runsConcurrently: try await checkConcurrency()
        case .deliversRanges: try await checkRanges()
        }
    }

    // MARK: One function a requirement

    private func checkBodies() async throws {
        let sizes = [0, 1, 2, 4095, 4096, 4097, 65535, 65536, 65537, 262_143, 262_144, 262_145, 1_048_577, 5 << 20]
        let resources = Dictionary(uniqueKeysWithValues: sizes.map { ("data/ab/size\($0)", Self.body($0)) })
        let transport = try await transport(resources)
        for size in sizes {
            for bypassesCaches in [false, true] {
                let request = TransferRequest(
                    "data/ab/size\(size)", limit: 1 << 30, bypassesCaches: bypassesCaches)
                try await expect(request, from: transport, resources["data/ab/size\(size)"] ?? [], .deliversBodies)
            }
        }
    }

    private func checkAbsence() async throws {
        let transport = try await transport(["there": Self.body(10)])
        for path in ["absent", "data/ab/absent", "there.not"] {
            let sink = RecordingSink()
            try await expect(.notFound, .reportsAbsence, TransferRequest(path, limit: 1000), from: transport, sink)
            if !sink.calls.isEmpty {
                throw failure(.reportsAbsence, "\(path) does not exist, yet the sink was called: \(sink.calls)")
            }
        }
        try await expect(
            TransferRequest("there", limit: 10), from: transport, Self.body(10), .reportsAbsence)
    }

    private func checkLimit() async throws {
        for size in [1, 4096, 3 << 20] {
            let transport = try await transport(["body": Self.body(size)])
            try await expect(
                TransferRequest("body", limit: Int64(size)), from: transport, Self.body(size), .keepsLimit)
            for limit in [0, size / 2, size - 1] {
                let sink = RecordingSink()
                let request = TransferRequest("body", limit: Int64(limit))
                try await expect(.tooLong, .keepsLimit, request, from: transport, sink)
                if sink.isFinished || sink.bytes.count > limit {
                    throw failure(
                        .keepsLimit, "\(sink.bytes.count) bytes were delivered where \(limit) were allowed")
                }
            }
        }
    }

    private func checkSinkErrors() async throws {
        struct Mark: Error { let call: RecordingSink.Call }
        let transport = try await transport(["body": Self.body(3 << 20), "small": Self.body(100)])
        for (path, position) in [("body", 0), ("body", 1), ("body", 2), ("small", 0), ("small", 1), ("small", 2)] {
            let countdown = Countdown(position)
            let sink = RecordingSink { call in
                if countdown.isOver() { throw Mark(call: call) }
            }
            do {
                _ = try await transport.fetch(TransferRequest(path, limit: 1 << 30), into: sink)
            } catch let mark as Mark {
                guard sink.calls.count == position + 1, mark.call == sink.calls.last else {
                    throw failure(.passesSinkErrors, "the sink was called after it had failed: \(sink.calls)")
                }
                continue
            } catch {
                throw failure(.passesSinkErrors, "the sink's error became another one: \(error)")
            }
            throw failure(.passesSinkErrors, "the sink failed in call \(position) of \(path), the transfer did not")
        }
    }

    private func checkCancellationBefore() async throws {
        let transport = try await transport(["body": Self.body(1000)])
        let sink = RecordingSink()
        try await expectCancellation(.cancelsBefore, sink) {
            withUnsafeCurrentTask { $0?.cancel() }
            _ = try await transport.fetch(TransferRequest("body", limit: 1 << 30), into: sink)
        }
        if !sink.calls.isEmpty { throw failure(.cancelsBefore, "the sink was called: \(sink.calls)") }
        try await expect(TransferRequest("body", limit: 1000), from: transport, Self.body(1000), .cancelsBefore)
    }

    private func checkCancellationDuring() async throws {
        let size = 16 << 20
        let transport = try await transport(["body": Self.body(size), "small": Self.body(1000)])
        let sink = RecordingSink { call in
            if case .write = call { withUnsafeCurrentTask { $0?.cancel() } }
        }
        try await expectCancellation(.cancelsDuring, sink) {
            _ = try await transport.fetch(TransferRequest("body", limit: 1 << 30), into: sink)
        }
        if sink.bytes.count == size { throw failure(.cancelsDuring, "all \(size) bytes were delivered all the same") }
        // And it goes on working.
        try await expect(TransferRequest("small", limit: 1000), from: transport, Self.body(1000), .cancelsDuring)
    }

    private func checkConcurrency() async throws {
        var resources: [String: [UInt8]] = [:]
        for index in 0..<48 { resources["data/\(index % 7)/\(index)"] = Self.body(index * index * 500 + index) }
        let transport = try await transport(resources)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for round in 0..<4 {
                for (path, body) in resources {
                    let request = TransferRequest(
                        path, limit: 1 << 30, priority: round % 2 == 0 ? .demand : .prefetch)
                    group.addTask { try await expect(request, from: transport, body, .runsConcurrently) }
                }
            }
            try await group.waitForAll()
        }
    }

    private func checkRanges() async throws {
        let size: Int64 = 300_000
        let body = Self.body(Int(size))
        let transport = try await transport(["body": body])
        let ranges: [Range<Int64>] = [
            0..<1, 0..<4096, 0..<size, 1..<2, 4095..<262_150, (size - 1)..<size, 299_000..<size,
            299_000..<(size + 1000), 0..<(2 * size), 5..<5,
        ]
        for range in ranges {
            let expected = Array(body[Int(range.lowerBound)..<Int(min(range.upperBound, size))])
            let request = TransferRequest("body", limit: Int64(expected.count), range: range)
            try await expect(request, from: transport, expected, .deliversRanges)
            if expected.count > 1 {
                let short = TransferRequest("body", limit: Int64(expected.count - 1), range: range)
                try await expect(.tooLong, .deliversRanges, short, from: transport, RecordingSink())
            }
        }
        let outside = TransferRequest("body", limit: 100, range: size..<(size + 10))
        try await expect(.serverStatus, .deliversRanges, outside, from: transport, RecordingSink())
    }

    // MARK: What they are made of

    /// Bytes that tell by their place where they belong, and differ from those of a body of another size.
    private static func body(_ count: Int) -> [UInt8] {
        var state = UInt64(truncatingIfNeeded: count) &* 0x9E37_79B9_7F4A_7C15 | 1
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            for index in 0..<count {
                state ^= state << 13
                state ^= state >> 7
                state ^= state << 17
                buffer.initializeElement(at: index, to: UInt8(truncatingIfNeeded: state))
            }
            initialized = count
        }
    }

    private func failure(_ requirement: Requirement, _ detail: String) -> ConformanceFailure {
        ConformanceFailure(requirement.rawValue, detail)
    }

    /// The fetch succeeds with just these bytes, by proper calls.
    private func expect(
        _ request: TransferRequest, from transport: any ObjectTransport, _ expected: [UInt8],
        _ requirement: Requirement
    ) async throws {
        let sink = RecordingSink()
        let receipt: TransferReceipt
        do { receipt = try await transport.fetch(request, into: sink) } catch {
            throw failure(requirement, "\(request) fails: \(error)")
        }
        let calls = sink.calls
        let writes = calls.dropFirst().dropLast()
        guard case .restart(let length)? = calls.first, calls.last == .finish,
            writes.allSatisfy({ if case .write = $0 { true } else { false } }), !sink.hasOverlappingCalls
        else { throw failure(requirement, "the sink's calls for \(request) are not in order: \(calls)") }
        guard sink.bytes == expected else {
            throw failure(
                requirement, "\(request) gives \(sink.bytes.count) bytes that are not the \(expected.count) wanted")
        }
        guard length == nil || length == expected.count else {
            throw failure(
                requirement, "\(request) announces \(String(describing: length)) of \(expected.count) bytes")
        }
        guard receipt.bytes == Int64(expected.count), receipt.requests >= (expected.isEmpty ? 0 : 1),
            !receipt.source.isEmpty
        else { throw failure(requirement, "the receipt for \(request) is not true: \(receipt)") }
    }

    /// The fetch fails with this code.
    private func expect(
        _ code: TransportError.Code, _ requirement: Requirement, _ request: TransferRequest,
        from transport: any ObjectTransport, _ sink: RecordingSink
    ) async throws {
        do {
            _ = try await transport.fetch(request, into: sink)
        } catch let error as TransportError where error.code == code {
            return
        } catch {
            throw failure(requirement, "\(request) must fail with \(code), not with \(error)")
        }
        throw failure(requirement, "\(request) must fail with \(code), yet it succeeds")
    }

    /// The task ends with `CancellationError`, and the sink is not finished.
    private func expectCancellation(
        _ requirement: Requirement, _ sink: RecordingSink, _ body: @escaping @Sendable () async throws -> Void
    ) async throws {
        do {
            try await Task { try await body() }.value
        } catch is CancellationError {
            if sink.isFinished { throw failure(requirement, "the sink was finished by a cancelled transfer") }
            return
        } catch {
            throw failure(requirement, "a cancelled transfer must throw CancellationError, not \(error)")
        }
        throw failure(requirement, "a cancelled transfer succeeds")
    }
}

/// Counts down to the call that is to fail.
private final class Countdown: Sendable {
    private let left: Mutex<Int>

    init(_ count: Int) { left = Mutex(count) }

    func isOver() -> Bool {
        left.withLock { left in
            left -= 1
            return left == -1
        }
    }
}

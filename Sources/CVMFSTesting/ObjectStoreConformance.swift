public import CASCore

/// Proves that an `ObjectStore` keeps the protocol's word.
///
/// It needs no test framework: run all checks at once, or make each a case of a parameterised test.
///
/// ```swift
/// @Test(arguments: ObjectStoreConformance.checks)
/// func keepsTheWord(check: ObjectStoreConformance.Check) async throws {
///     try await check.run { try MyStore(...) }
/// }
/// ```
///
/// Each check gets a store of its own, empty and with room for 64 MiB.
public struct ObjectStoreConformance: Sendable {
    /// One promise of the protocol.
    public struct Check: Sendable, CustomStringConvertible {
        /// What is checked, as a sentence.
        public let name: String
        let body: @Sendable (any ObjectStore) async throws -> Void

        public var description: String { name }

        /// Runs the check on a store of its own.
        /// - Throws: `Failure`, or what making the store throws.
        public func run(_ makeStore: @Sendable () async throws -> any ObjectStore) async throws {
            let store = try await makeStore()
            do {
                try await withDeadline { try await body(store) }
            } catch let failure as Failure {
                throw Failure(check: name, message: failure.message)
            } catch {
                throw Failure(check: name, message: "threw \(error)")
            }
        }
    }

    /// A promise that was broken.
    public struct Failure: Error, Sendable, CustomStringConvertible {
        /// The check's name.
        public let check: String
        /// What was expected, and what happened.
        public let message: String

        public var description: String { "\(check): \(message)" }
    }

    private let makeStore: @Sendable () async throws -> any ObjectStore

    /// - Parameter makeStore: makes a new, empty store for a check.
    public init(_ makeStore: @escaping @Sendable () async throws -> any ObjectStore) { self.makeStore = makeStore }

    /// All checks.
    public static let checks: [Check] =
        contentChecks + refusalChecks + flightChecks

    /// Runs all checks.
    /// - Returns: what failed; nothing when the store keeps its word.
    public func failures() async -> [Failure] {
        var failures: [Failure] = []
        for check in Self.checks {
            do { try await check.run(makeStore) } catch let failure as Failure { failures.append(failure) } catch {
                failures.append(Failure(check: check.name, message: "no store could be made: \(error)"))
            }
        }
        return failures
    }

    /// Ends a check.
    static func fail(_ message: String) -> Failure { Failure(check: "", message: message) }

    static func require(_ condition: Bool, _ message: @autoclosure () -> String) throws {
        if !condition { throw fail(message()) }
    }

    /// The error that `body` throws.
    static func error(of what: String, _ body: () async throws -> Void) async throws -> any Error {
        do { try await body() } catch let failure as Failure { throw failure } catch { return error }
        throw fail("\(what) succeeded")
    }

    /// The `CASError` that `body` throws, if it has one of the codes.
    static func refusal(_ codes: Set<CASError.Code>, of what: String, _ body: () async throws -> Void) async throws {
        let error = try await error(of: what, body)
        guard let error = error as? CASError else { throw fail("\(what) threw \(error) instead of a CASError") }
        try require(codes.contains(error.code), "\(what) threw \(error.code), not one of \(codes): \(error)")
    }

    /// That the store gives no sign of an object.
    static func requireAbsent(_ object: SampleObject, in store: any ObjectStore, _ when: String) throws {
        try require(try store.cached(object.id) == nil, "\(object) is visible \(when)")
        try require(!store.contains(object.id), "the store says that it contains \(object) \(when)")
    }

    /// That a handle gives exactly the content, whole and in pieces.
    static func requireContent(of object: SampleObject, in handle: any StoredObject) throws {
        try require(handle.id == object.id, "the handle of \(object) is one of \(handle.id)")
        try require(handle.size == Int64(object.plain.count), "\(object) has \(handle.size) bytes")
        try require(try handle.read(0..<object.plain.count) == object.plain, "\(object) has another content")
        let middle = object.plain.count / 3..<object.plain.count / 2
        try require(
            try handle.read(middle) == Array(object.plain[middle]), "\(object) has another content in its middle")
    }
}

/// Bounds a check: a store that waits for ever fails it instead of stopping the tests.
private func withDeadline(_ body: @escaping @Sendable () async throws -> Void) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: .seconds(120))
            throw ObjectStoreConformance.fail("is not over after two minutes")
        }
        defer { group.cancelAll() }
        try await group.next()
    }
}

extension StoredObject {
    /// The bytes of a range, read at once.
    func read(_ range: Range<Int>) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0xEE, count: range.count)
        let count = try bytes.withUnsafeMutableBytes { try read(into: $0, at: Int64(range.lowerBound)) }
        return Array(bytes.prefix(count))
    }
}

public import CASCore

/// Proves that an `ObjectStore` does what its protocol says.
///
/// ```swift
/// @Test(arguments: ObjectStoreConformance.Requirement.allCases)
/// func conformance(_ requirement: ObjectStoreConformance.Requirement) async throws {
///     try await ObjectStoreConformance { try MyStore(in: aNewFolder()) }.check(requirement)
/// }
/// ```
public struct ObjectStoreConformance: Sendable {
    /// What can be checked, each by itself.
    public struct Requirement: Sendable, CaseIterable, CustomStringConvertible {
        /// What a store must do, as a sentence.
        public let name: String
        let body: @Sendable (any ObjectStore) async throws -> Void

        init(_ name: String, _ body: @escaping @Sendable (any ObjectStore) async throws -> Void) {
            self.name = name
            self.body = body
        }

        public var description: String { name }

        public static let allCases: [Requirement] = contentRequirements + refusalRequirements + flightRequirements
    }

    private let store: @Sendable () async throws -> any ObjectStore

    /// - Parameter store: makes a new, empty store with room for 64 MiB; called once for a requirement.
    public init(_ store: @escaping @Sendable () async throws -> any ObjectStore) { self.store = store }

    /// Checks all requirements.
    /// - Throws: `ConformanceFailure` at the first that is not met, or what making the store throws.
    public func check() async throws {
        for requirement in Requirement.allCases { try await check(requirement) }
    }

    /// Checks one requirement.
    /// - Throws: `ConformanceFailure` when it is not met, or what making the store throws.
    public func check(_ requirement: Requirement) async throws {
        let store = try await store()
        do {
            try await withDeadline { try await requirement.body(store) }
        } catch let failure as ConformanceFailure {
            throw ConformanceFailure(requirement.name, failure.detail)
        } catch {
            throw ConformanceFailure(requirement.name, "threw \(error)")
        }
    }
}

extension ObjectStoreConformance.Requirement {
    /// Ends a check.
    static func fail(_ detail: String) -> ConformanceFailure { ConformanceFailure("", detail) }

    static func require(_ condition: Bool, _ message: @autoclosure () -> String) throws {
        if !condition { throw fail(message()) }
    }

    /// The error that `body` throws.
    static func error(of what: String, _ body: () async throws -> Void) async throws -> any Error {
        do { try await body() } catch let failure as ConformanceFailure { throw failure } catch { return error }
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

extension StoredObject {
    /// The bytes of a range, read at once.
    func read(_ range: Range<Int>) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0xEE, count: range.count)
        let count = try bytes.withUnsafeMutableBytes { try read(into: $0, at: Int64(range.lowerBound)) }
        return Array(bytes.prefix(count))
    }
}

internal import CASCore
public import Publishing

/// Proves that an `ObjectUploader` does what its protocol says.
///
/// ```swift
/// @Test(arguments: ObjectUploaderConformance.Requirement.allCases)
/// func conformance(_ requirement: ObjectUploaderConformance.Requirement) async throws {
///     try await ObjectUploaderConformance {
///         let uploader = try MyUploader(to: aNewBucket())
///         return .init(uploader) { path in try await uploader.download(path) }
///     }.check(requirement)
/// }
/// ```
public struct ObjectUploaderConformance: Sendable {
    /// An uploader, and what readers see of what it uploads.
    public struct Subject: Sendable {
        let uploader: any ObjectUploader
        let served: @Sendable (String) async throws -> [UInt8]?

        /// - Parameters:
        ///   - uploader: the one to check.
        ///   - served: gives what a client of the repository gets for a path below its URL, such as `.cvmfspublished` or
        ///     `data/ab/cdef…`; `nil` when there is nothing.
        public init(
            _ uploader: any ObjectUploader, served: @escaping @Sendable (_ path: String) async throws -> [UInt8]?
        ) {
            self.uploader = uploader
            self.served = served
        }
    }

    /// What can be checked, each by itself.
    public struct Requirement: Sendable, CaseIterable, CustomStringConvertible {
        /// What an uploader must do, as a sentence.
        public let name: String
        let body: @Sendable (Subject) async throws -> Void

        init(_ name: String, _ body: @escaping @Sendable (Subject) async throws -> Void) {
            self.name = name
            self.body = body
        }

        public var description: String { name }

        public static let allCases: [Requirement] = objectRequirements + rootRequirements
    }

    private let subject: @Sendable () async throws -> Subject

    /// - Parameter subject: makes a new, empty place to upload to; called once for a requirement.
    public init(_ subject: @escaping @Sendable () async throws -> Subject) { self.subject = subject }

    /// Checks all requirements.
    /// - Throws: `ConformanceFailure` at the first that is not met, or what making the uploader throws.
    public func check() async throws {
        for requirement in Requirement.allCases { try await check(requirement) }
    }

    /// Checks one requirement, on threads that may block.
    /// - Throws: `ConformanceFailure` when it is not met, or what making the uploader throws.
    public func check(_ requirement: Requirement) async throws {
        let subject = try await subject()
        do {
            try await withTaskExecutorPreference(BlockingPool.shared) {
                try await withDeadline { try await requirement.body(subject) }
            }
        } catch let failure as ConformanceFailure {
            throw ConformanceFailure(requirement.name, failure.detail)
        } catch {
            throw ConformanceFailure(requirement.name, "threw \(error)")
        }
    }
}

extension ObjectUploaderConformance.Requirement {
    static func require(_ condition: Bool, _ message: @autoclosure () -> String) throws {
        if !condition { throw ConformanceFailure("", message()) }
    }

    /// That what readers see of an object is what was uploaded.
    static func requireServed(_ object: SampleObject, by subject: ObjectUploaderConformance.Subject) async throws {
        let path = object.id.serverPath
        let served = try await subject.served(path)
        try require(served != nil, "\(path) is not served")
        try require(served == object.stored, "\(path) is served with other bytes")
        try require(try await subject.uploader.contains(object.id), "the uploader says that it lacks \(path)")
        try require(try await subject.uploader.renew(object.id), "\(path) cannot be renewed")
    }

    /// That the body throws a `PublishingError` with a code.
    static func requireRefusal(
        _ code: PublishingError.Code, of what: String, _ body: () async throws -> Void
    ) async throws {
        do {
            try await body()
        } catch let error as PublishingError {
            return try require(error.code == code, "\(what) threw \(error.code) instead of \(code): \(error)")
        }
        throw ConformanceFailure("", "\(what) succeeded")
    }
}

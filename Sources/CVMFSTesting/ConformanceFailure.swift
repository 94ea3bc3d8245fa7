/// What an implementation does otherwise than its protocol requires.
public struct ConformanceFailure: Error, Sendable, CustomStringConvertible {
    /// The requirement that is not met.
    public let requirement: String
    /// What was seen, and what should have been.
    public let detail: String

    public init(_ requirement: String, _ detail: String) {
        self.requirement = requirement
        self.detail = detail
    }

    public var description: String { "\(requirement): \(detail)" }
}

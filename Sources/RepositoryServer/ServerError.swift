/// What can go wrong with a server of repositories.
public struct ServerError: Error, Sendable, CustomStringConvertible {
    public enum Code: String, Sendable, CaseIterable {
        /// There is no repository to serve, or two have one name.
        case noRepository
        /// The address cannot be listened at.
        case address
    }

    public let code: Code
    /// What failed, where, and what to do about it; one line.
    public let message: String
    /// The error behind this one.
    public let cause: (any Error)?

    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    public var description: String {
        guard let cause else { return message }
        return "\(message): \(cause)"
    }
}

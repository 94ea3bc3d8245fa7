/// What can go wrong when a repository is made, filled, collected, checked or copied.
public struct PublishingError: Error, Sendable, CustomStringConvertible {
    public enum Code: String, Sendable, CaseIterable {
        /// A name, a path or a combination of options that makes no sense.
        case invalidArgument
        /// A key, a certificate or a whitelist is missing, malformed, or does not fit the repository.
        case keys
        /// The repository's storage has no repository, or one of another name.
        case noRepository
        /// There is something already that must not be replaced.
        case exists
        /// Another writer holds the repository's lock.
        case locked
        /// The repository's own state is damaged, or contradicts itself.
        case corrupt
        /// What is to be published cannot be read, is malformed, or breaks the rules of its format.
        case source
        /// What is to be published changed while it was read.
        case changed
        /// The format of repositories cannot hold it.
        case unsupported
        /// A tag, a revision or a path does not exist.
        case noSuchEntry
        /// The chain of trust of what is copied does not hold.
        case untrusted
        /// A server does not deliver.
        case network
        /// The disk: full, unwritable, failing.
        case storage
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

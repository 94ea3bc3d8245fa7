/// What can go wrong with a mount as a whole; what goes wrong with one file is the errno of the call.
public struct MountError: Error, Sendable, CustomStringConvertible {
    public enum Code: String, Sendable, CaseIterable {
        /// A setting makes no sense.
        case invalidConfiguration
        /// Something is mounted there already.
        case alreadyMounted
        /// Nothing of ours is mounted there.
        case notMounted
        /// The repository cannot be opened.
        case repository
        /// Kernel or helper refuse.
        case refused
        /// A process of the mount ended, or does not answer.
        case lost
        /// A table of the mount has no room for more.
        case full
        /// Any other failure of a system call.
        case systemCall
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

    public var description: String { message }
}

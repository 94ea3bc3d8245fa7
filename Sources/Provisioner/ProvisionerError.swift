public import SystemPackage

/// What can go wrong when a root file system is made for a container, or a program is started in it.
public struct ProvisionerError: Error, Sendable, CustomStringConvertible {
    public enum Code: String, Sendable, CaseIterable {
        /// A name, a path or a combination of options that makes no sense.
        case invalidArgument
        /// The image's configuration is malformed, or contradicts the image.
        case configuration
        /// A user or group that the image does not know.
        case noSuchUser
        /// The program cannot be started in the image.
        case program
        /// The system refuses what a container needs: namespaces, FUSE, an overlay; see `errno`.
        case refused
        /// The target, or the record of it, is in use already, or is not one of ours.
        case exists
        /// There is no such root.
        case noSuchRoot
        /// What is needed is not in the cache, and no server answers.
        case incomplete
        /// The disk: full, unwritable, failing.
        case storage
    }

    public let code: Code
    /// What failed, where, and what to do about it; one line.
    public let message: String
    /// The system's error, where it was one.
    public let errno: Errno?
    /// The error behind this one.
    public let cause: (any Error)?

    public init(_ code: Code, _ message: String, errno: Errno? = nil, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.errno = errno
        self.cause = cause
    }

    public var description: String {
        guard let errno else { return message }
        return "\(message): \(errno)"
    }
}

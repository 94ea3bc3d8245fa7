public import SystemPackage

/// What can go wrong between a file system and the kernel.
public struct FUSEError: Error, Sendable, CustomStringConvertible {
    public enum Code: String, Sendable, CaseIterable {
        /// A setting makes no sense.
        case invalidConfiguration
        /// The device of FUSE cannot be opened.
        case deviceUnavailable
        /// The kernel, or the program that mounts for ordinary users, refused the mount.
        case mountRefused
        /// The mount cannot be removed.
        case unmountRefused
        /// The kernel speaks a protocol that this module does not.
        case protocolMismatch
        /// The mount is gone, or its connection was ended.
        case disconnected
        /// This kernel, or this user, has no such feature.
        case unsupported
        /// Any other failure of a system call.
        case systemCall
    }

    public let code: Code
    /// What failed, where, and what to do about it; one line.
    public let message: String
    /// The kernel's own word, where there was one.
    public let errno: Errno?

    public init(_ code: Code, _ message: String, errno: Errno? = nil) {
        self.code = code
        self.message = message
        self.errno = errno
    }

    public var description: String { message }
}

extension FUSEError {
    /// - Parameter result: a negated errno.
    static func systemCall(_ failure: String, _ result: Int32, _ code: Code = .systemCall) -> FUSEError {
        let errno = Errno(rawValue: -result)
        return FUSEError(code, "\(failure): \(errno)", errno: errno)
    }
}

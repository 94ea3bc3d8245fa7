public import SystemPackage

/// What can go wrong with objects, codecs and stores.
public struct CASError: Error, Sendable, CustomStringConvertible {
    public enum Code: String, Sendable, CaseIterable {
        /// The bytes are not those the name stands for.
        case hashMismatch
        /// The bytes are no valid compressed stream, or end too early.
        case corruptStream
        /// The content is longer than what is expected or allowed: a decompression bomb, or a lying catalog.
        case tooLarge
        /// The content is shorter or longer than the size that its catalog gives.
        case sizeMismatch
        /// A cached copy is damaged; it has been dropped.
        case damagedCache
        /// The store does not have the object and was given no way to get it.
        case notFound
        /// The disk is full, and nothing that could be evicted is left.
        case noSpace
        /// The store cannot be written.
        case readOnly
        /// The folder is no cache of this kind, or of a version that is not known here.
        case incompatible
        /// Another failure of the operating system; see `errno`.
        case system
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

    /// Whether the bytes received are at fault, so that another source, or the origin past a cache, may help.
    public var isBadData: Bool {
        switch code {
        case .hashMismatch, .corruptStream, .tooLarge, .sizeMismatch: true
        case .damagedCache, .notFound, .noSpace, .readOnly, .incompatible, .system: false
        }
    }

    public var description: String {
        guard let errno else { return message }
        return "\(message): \(errno)"
    }
}

/// What can go wrong on the way to a server.
public struct TransportError: Error, Sendable, CustomStringConvertible {
    public enum Code: String, Sendable, CaseIterable {
        /// The URL, or a setting, makes no sense.
        case invalidConfiguration
        /// A host's name has no address.
        case hostNotResolved
        /// A proxy's name has no address.
        case proxyNotResolved
        /// No connection could be made.
        case cannotConnect
        /// TLS failed: the certificate, the protocol.
        case tlsFailed
        /// No answer in time, or too slow for too long.
        case timeout
        /// The connection broke, or the body was shorter than announced.
        case incompleteTransfer
        /// The body is longer than the request allows.
        case tooLong
        /// The server says that it does not have the resource (404, 410).
        case notFound
        /// Another status of the server; see `status`.
        case serverStatus
        /// A status of the proxy; see `status`.
        case proxyStatus
        /// More redirections than are followed.
        case tooManyRedirects
        /// Any other failure of the transport.
        case other
    }

    public let code: Code
    /// What failed, where, and what to do about it; one line.
    public let message: String
    /// The HTTP status, where there was one.
    public let status: Int?
    /// The error behind this one.
    public let cause: (any Error)?

    public init(_ code: Code, _ message: String, status: Int? = nil, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.status = status
        self.cause = cause
    }

    public var description: String { message }
}

/// One request as a server's access log has it.
package struct ServedRequest: Sendable, Hashable {
    /// The connection's number; requests on a kept-alive connection share it.
    package let connection: Int
    package let method: String
    /// The request line's target, as it came.
    package let target: String
    /// `HTTP/1.1`, `HTTP/2.0`
    package let version: String
    package let status: Int
    /// Bytes of the body that were sent.
    package let bodyBytes: Int
    /// Some of the headers; empty when absent.
    package let userAgent: String
    package let range: String
    package let pragma: String
    package let cacheControl: String
}

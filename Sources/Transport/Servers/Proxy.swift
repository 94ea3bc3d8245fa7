/// The way to a server: straight, or through one HTTP proxy.
public struct Proxy: Sendable, Hashable, CustomStringConvertible {
    /// No proxy, whatever the environment says.
    public static let direct = Proxy(url: nil)

    /// `http://host:port`; `nil` for the straight way.
    let url: String?

    /// `DIRECT`, or the proxy's URL.
    public var description: String { url ?? "DIRECT" }

    private init(url: String?) { self.url = url }

    /// Reads a proxy as `--proxy` takes it.
    ///
    /// - Parameter text: `DIRECT` or `[http://]host:port`. Groups (`a|b;c`) are not supported yet.
    /// - Throws: `TransportError` with code `invalidConfiguration`, when the text is no such proxy.
    ///
    /// Source: format 5.3.
    public init(_ text: String) throws(TransportError) {
        if text == "DIRECT" {
            self = .direct
            return
        }
        if text.contains("|") || text.contains(";") {
            throw Self.refusal(text, "groups of proxies are not supported yet; give one, or DIRECT")
        }
        var rest = text[...]
        if let scheme = rest.firstRange(of: "://") {
            guard rest[..<scheme.lowerBound].lowercased() == "http" else {
                throw Self.refusal(text, "only http:// proxies are supported")
            }
            rest = rest[scheme.upperBound...]
        }
        if rest.last == "/" { rest.removeLast() }
        if let trouble = HostAndPort.trouble(with: rest) { throw Self.refusal(text, trouble) }
        guard HostAndPort.hasPort(rest) else {
            throw Self.refusal(text, "it needs a port, such as http://\(rest):3128")
        }
        url = "http://\(rest.lowercased())"
    }

    private static func refusal(_ text: String, _ reason: String) -> TransportError {
        TransportError(.invalidConfiguration, "\(text.debugDescription) is no proxy: \(reason)")
    }
}

/// Where a repository is served: a URL of http, https or file, with `/cvmfs/<fqrn>` in it.
public struct ServerURL: Sendable, Hashable, CustomStringConvertible {
    public enum Scheme: String, Sendable, CaseIterable {
        case http
        case https
        case file
    }

    public let scheme: Scheme
    /// The whole URL, placeholders replaced, without a slash at the end.
    public let description: String
    /// What is between the scheme and the path: host and port.
    let authority: String
    /// The path, percent-escaped; empty or beginning with a slash.
    let path: String

    /// Reads a URL as `--server` takes it.
    ///
    /// - Parameters:
    ///   - text: `http://host[:port]/path`, `https://…` or `file:///path`; may hold `@fqrn@` and `@org@`.
    ///   - repository: the repository's name, which replaces `@fqrn@`; its first label replaces `@org@`.
    /// - Throws: `TransportError` with code `invalidConfiguration`, when the text is no such URL.
    ///
    /// Source: format 5, 6.5.
    public init(_ text: String, repository: String? = nil) throws(TransportError) {
        var url = text
        if let repository { url = RepositoryPlaceholders.replaced(in: url, repository: repository) }
        if RepositoryPlaceholders.occur(in: url) {
            throw Self.refusal(text, "it needs the name of a repository for @fqrn@ or @org@")
        }
        guard url.utf8.count <= TransportLimits.urlBytes else { throw Self.refusal(text, "it is too long") }
        guard let colon = url.firstRange(of: "://"),
            let scheme = Scheme(rawValue: url[..<colon.lowerBound].lowercased())
        else { throw Self.refusal(text, "it must begin with http://, https:// or file://") }
        let rest = url[colon.upperBound...]
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        let authority = rest[..<slash]
        var path = rest[slash...]
        while path.last == "/" { path.removeLast() }
        if !path.isEmpty {
            do throws(TransportError) { try ResourcePath.check(String(path.dropFirst())) } catch {
                throw Self.refusal(text, "its path has an empty component, dots or a character that must be escaped")
            }
        }
        switch scheme {
        case .http, .https:
            guard let trouble = HostAndPort.trouble(with: authority) else { break }
            throw Self.refusal(text, trouble)
        case .file:
            guard authority.isEmpty || authority == "localhost" else {
                throw Self.refusal(text, "a file's URL has three slashes: file:///\(authority)\(path)")
            }
            guard !path.isEmpty else { throw Self.refusal(text, "it names no folder") }
        }
        self.scheme = scheme
        self.authority = scheme == .file ? "" : authority.lowercased()
        self.path = String(path)
        description = "\(scheme.rawValue)://\(self.authority)\(path)"
    }

    private static func refusal(_ text: String, _ reason: String) -> TransportError {
        TransportError(.invalidConfiguration, "\(text.debugDescription) is no server's URL: \(reason)")
    }
}

/// The `host:port` of a URL.
enum HostAndPort {
    /// What is wrong with it; `nil` when it is good.
    static func trouble(with text: Substring) -> String? {
        if text.contains("@") { return "user names and passwords in URLs are not supported" }
        var host = text
        var port: Substring?
        if host.first == "[" {
            guard let end = host.firstIndex(of: "]") else { return "a bracket is missing after the IPv6 address" }
            let rest = host[host.index(after: end)...]
            host = host[..<host.index(after: end)]
            let inner = host.dropFirst().dropLast()
            guard inner.utf8.count >= 2, inner.utf8.allSatisfy(isInAddress) else {
                return "its IPv6 address is malformed"
            }
            if !rest.isEmpty {
                guard rest.first == ":" else { return "only a port can follow the IPv6 address" }
                port = rest.dropFirst()
            }
        } else {
            if let colon = host.firstIndex(of: ":") {
                port = host[host.index(after: colon)...]
                host = host[..<colon]
            }
            guard !host.isEmpty else { return "it names no host" }
            guard host.utf8.allSatisfy(isInName) else { return "its host has a character that no name has" }
        }
        guard let port else { return nil }
        guard port.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let number = UInt16(port), number > 0
        else { return "its port is not between 1 and 65535" }
        return nil
    }

    /// Whether it ends in a port. The text is good.
    static func hasPort(_ text: Substring) -> Bool {
        guard let colon = text.lastIndex(of: ":") else { return false }
        return !text[colon...].contains("]")
    }

    private static func isInAddress(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
            UInt8(ascii: "A")...UInt8(ascii: "F"), UInt8(ascii: ":"), UInt8(ascii: "."):
            true
        default: false
        }
    }

    private static func isInName(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}

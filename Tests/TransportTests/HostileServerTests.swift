import CASCore
import CVMFSTesting
import LocalServers
import Testing

@testable import Transport

@Suite("hostile servers")
struct HostileServerTests {
    /// What a server does, and what must come of it.
    struct Hostility: Sendable, CustomTestStringConvertible {
        let name: String
        let code: TransportError.Code
        var status: Int?
        let steps: [HostileServer.Step]
        var limit: Int64 = 1 << 20
        var range: Range<Int64>?
        var followsRedirects = false

        var testDescription: String { name }

        init(
            _ name: String, _ code: TransportError.Code, _ status: Int? = nil, _ steps: HostileServer.Step...,
            limit: Int64 = 1 << 20, range: Range<Int64>? = nil, followsRedirects: Bool = false
        ) {
            (self.name, self.code, self.status, self.steps) = (name, code, status, steps)
            (self.limit, self.range, self.followsRedirects) = (limit, range, followsRedirects)
        }
    }

    static let ok = "HTTP/1.1 200 OK\r\n"
    static let part = "HTTP/1.1 206 Partial Content\r\n"
    static let page = "Content-Length: 5\r\n\r\n<html"
    static let kilobyte = String(repeating: "x", count: 1024)

    static let hostilities: [Hostility] = [
        Hostility("never answers", .timeout, nil, .stall),
        Hostility("stalls in the head", .timeout, nil, .send(ok + "Content-Le"), .stall),
        Hostility("stalls after the head", .timeout, nil, .send(ok + "Content-Length: 100\r\n\r\n"), .stall),
        Hostility("stalls in the body", .timeout, nil, .send(ok + "Content-Length: 100\r\n\r\nabc"), .stall),
        Hostility("stalls in a chunk", .timeout, nil, .send(ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nab"), .stall),
        Hostility("drips", .timeout, nil, .send(ok + "Content-Length: 1000000\r\n\r\n"), .drip("abc", pause: 50)),
        Hostility("drips header lines", .timeout, nil, .send(ok), .drip("X: y\r\n", pause: 50)),
        Hostility("resets at once", .incompleteTransfer, nil, .reset),
        Hostility("closes at once", .incompleteTransfer, nil, .close),
        Hostility("resets in the body", .incompleteTransfer, nil, .send(ok + "Content-Length: 9\r\n\r\nabc"), .reset),
        Hostility(
            "sends less than it says", .incompleteTransfer, nil, .send(ok + "Content-Length: 9\r\n\r\nabc"), .close),
        Hostility(
            "closes in a chunk", .incompleteTransfer, nil,
            .send(ok + "Transfer-Encoding: chunked\r\n\r\n9\r\nabc"), .close),
        Hostility(
            "closes before the last chunk", .incompleteTransfer, nil,
            .send(ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"), .close),
        Hostility(
            "sends a chunk without a length", .incompleteTransfer, nil,
            .send(ok + "Transfer-Encoding: chunked\r\n\r\nhello\r\n"), .stall),
        Hostility("announces too much", .tooLong, nil, .send(ok + "Content-Length: 1048577\r\n\r\n"), .stall),
        Hostility(
            "announces more than there is", .tooLong, nil,
            .send(ok + "Content-Length: 99999999999999999999999999\r\n\r\n"), .stall),
        Hostility(
            "announces less than nothing", .incompleteTransfer, nil, .send(ok + "Content-Length: -5\r\n\r\n"), .stall),
        Hostility("never ends", .tooLong, nil, .send(ok + "\r\n"), .sendForever(kilobyte)),
        Hostility(
            "never ends in chunks", .tooLong, nil,
            .send(ok + "Transfer-Encoding: chunked\r\n\r\n"), .sendForever("400\r\n\(kilobyte)\r\n")),
        Hostility("sends one byte where none is allowed", .tooLong, nil, .send(ok + "\r\na"), .stall, limit: 0),
        Hostility("never ends its head", .other, nil, .send(ok), .sendForever("X-Y: \(kilobyte)\r\n")),
        Hostility("never ends a line of its head", .other, nil, .send(ok + "X: "), .sendForever(kilobyte)),
        Hostility("always says continue", .other, nil, .sendForever("HTTP/1.1 100 Continue\r\n\r\n")),
        Hostility("speaks garbage", .incompleteTransfer, nil, .send("\u{1}\u{2}garbage\r\n\r\n"), .close),
        Hostility("speaks HTTP/0.9", .incompleteTransfer, nil, .send("<html>hello</html>"), .close),
        Hostility("has an error", .serverStatus, 500, .send("HTTP/1.1 500 Oops\r\n" + page)),
        Hostility("is overloaded", .serverStatus, 503, .send("HTTP/1.1 503 Later\r\n" + page)),
        Hostility("says bad request", .serverStatus, 400, .send("HTTP/1.1 400 Bad\r\n" + page)),
        Hostility("wants us to slow down", .serverStatus, 429, .send("HTTP/1.1 429 Slow\r\n" + page)),
        Hostility("forbids", .serverStatus, 403, .send("HTTP/1.1 403 No\r\n" + page)),
        Hostility(
            "wants a password", .serverStatus, 401,
            .send("HTTP/1.1 401 Who\r\nWWW-Authenticate: Basic realm=x\r\n" + page)),
        Hostility("has not got it", .notFound, 404, .send("HTTP/1.1 404 No\r\n" + page)),
        Hostility("has not got it any more", .notFound, 410, .send("HTTP/1.1 410 No\r\n" + page)),
        Hostility("has a status of its own", .serverStatus, 999, .send("HTTP/1.1 999 ?\r\n" + page)),
        Hostility(
            "has an error page without end", .notFound, 404, .send("HTTP/1.1 404 No\r\n\r\n"), .sendForever(kilobyte)),
        Hostility(
            "has an error page that is cut", .serverStatus, 500,
            .send("HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\nabc"), .close),
        Hostility(
            "has an error page longer than the limit", .notFound, 404,
            .send("HTTP/1.1 404 No\r\nContent-Length: 2000000\r\n\r\nabc"), .stall),
        Hostility("redirects", .serverStatus, 302, .send("HTTP/1.1 302 There\r\nLocation: /x\r\n" + page)),
        Hostility(
            "redirects for ever", .tooManyRedirects, nil,
            .send("HTTP/1.1 302 There\r\nLocation: /x\r\n" + page), followsRedirects: true),
        Hostility(
            "redirects to a file", .serverStatus, 302,
            .send("HTTP/1.1 302 There\r\nLocation: file:///etc/hostname\r\n" + page), followsRedirects: true),
        Hostility(
            "redirects to nowhere", .serverStatus, 302, .send("HTTP/1.1 302 There\r\n" + page), followsRedirects: true),
        Hostility(
            "sends a part unasked", .serverStatus, 206,
            .send(part + "Content-Range: bytes 0-4/5\r\nContent-Length: 5\r\n\r\nhello")),
        Hostility(
            "sends all instead of a part", .serverStatus, 200, .send(ok + "Content-Length: 5\r\n\r\nhello"),
            range: 1..<3),
        Hostility(
            "sends more than the start", .serverStatus, 200, .send(ok + "Content-Length: 5\r\n\r\nhello"), range: 0..<3),
        Hostility(
            "sends all without saying how much", .serverStatus, 200, .send(ok + "\r\nhello"), .close, range: 0..<5),
        Hostility(
            "sends another part", .serverStatus, 206,
            .send(part + "Content-Range: bytes 0-1/5\r\nContent-Length: 2\r\n\r\nhe"), range: 1..<3),
        Hostility(
            "sends less than the part", .serverStatus, 206,
            .send(part + "Content-Range: bytes 1-1/5\r\nContent-Length: 1\r\n\r\ne"), range: 1..<3),
        Hostility(
            "sends a part of unknown place", .serverStatus, 206, .send(part + "Content-Length: 2\r\n\r\nel"),
            range: 1..<3),
        Hostility(
            "sends several parts", .serverStatus, 206,
            .send(part + "Content-Type: multipart/byteranges; boundary=x\r\nContent-Length: 2\r\n\r\nel"), range: 1..<3),
        Hostility(
            "lies about the part's length", .serverStatus, 206,
            .send(part + "Content-Range: bytes 1-2/5\r\nContent-Length: 1\r\n\r\ne"), range: 1..<3),
        Hostility(
            "sends more than the part", .tooLong, nil,
            .send(part + "Content-Range: bytes 1-2/5\r\n\r\nello"), .close, range: 1..<3),
        Hostility("does not have the part", .serverStatus, 416, .send("HTTP/1.1 416 No\r\n" + page), range: 7..<9),
    ]

    static var hasty: HTTPOptions {
        var options = HTTPOptions()
        options.directTimeout = .seconds(1)
        options.proxyTimeout = .seconds(1)
        return options
    }

    @Test("end in the right error, and never hang", .timeLimit(.minutes(5)), arguments: hostilities)
    func hostility(_ hostility: Hostility) async throws {
        let server = try HostileServer { _ in hostility.steps }
        var options = Self.hasty
        options.followsRedirects = hostility.followsRedirects
        let transport = try HTTPTransport(ServerURL(server.url), options: options)
        let request = TransferRequest("data/ab/cd", limit: hostility.limit, range: hostility.range)
        let sink = RecordingSink()
        let error = await #expect(throws: TransportError.self) { try await transport.fetch(request, into: sink) }
        #expect(error?.code == hostility.code, "\(error?.message ?? "")")
        #expect(error?.status == hostility.status)
        #expect(error?.message.hasPrefix("\(server.url)/data/ab/cd: ") == true)
        #expect(error?.message.contains("\n") == false)
        #expect(!sink.isFinished && Int64(sink.bytes.count) <= hostility.limit)
        // What is left of it, if anything, does not disturb the next request.
        try await eventually("the client lets go") { server.openConnections <= 1 }
    }

    @Test(
        "as proxies, end in the proxy's error", .timeLimit(.minutes(5)),
        arguments: [(401, true), (403, true), (407, true), (404, false), (500, false), (503, false), (400, false)])
    func proxyStatus(_ status: Int, isProxys: Bool) async throws {
        let proxy = try HostileServer { _ in [.send("HTTP/1.1 \(status) X\r\n" + Self.page)] }
        var options = Self.hasty
        options.proxy = try Proxy(proxy.url)
        let transport = try HTTPTransport(ServerURL("http://server.invalid/cvmfs/x"), options: options)
        let error = await #expect(throws: TransportError.self) {
            try await transport.fetch(TransferRequest("a", limit: 10), into: RecordingSink())
        }
        #expect(error?.code == (isProxys ? .proxyStatus : status == 404 ? .notFound : .serverStatus))
        #expect(error?.status == status)
        #expect(proxy.requests.map(\.target) == ["http://server.invalid/cvmfs/x/a"])
        // And in a tunnel.
        let secure = try HTTPTransport(ServerURL("https://server.invalid/cvmfs/x"), options: options)
        let tunnelError = await #expect(throws: TransportError.self) {
            try await secure.fetch(TransferRequest("a", limit: 10), into: RecordingSink())
        }
        #expect(tunnelError?.code == .proxyStatus && tunnelError?.status == status)
    }

    @Test("a body longer than announced ends where it was announced to", .timeLimit(.minutes(5)))
    func longerThanAnnounced() async throws {
        let server = try HostileServer { _ in [.send(Self.ok + "Content-Length: 5\r\n\r\nhello, world"), .stall] }
        let sink = RecordingSink()
        let transport = try HTTPTransport(ServerURL(server.url), options: Self.hasty)
        _ = try await transport.fetch(TransferRequest("a", limit: 100), into: sink)
        #expect(sink.bytes == Array("hello".utf8))
        // Its connection is not used again: what follows would be taken for another response.
        let second = RecordingSink()
        _ = try await transport.fetch(TransferRequest("a", limit: 100), into: second)
        #expect(second.bytes == Array("hello".utf8) && server.connections == 2)
    }

    @Test("a body is never unpacked on the way, whatever its encoding is said to be")
    func contentEncoding() async throws {
        let server = try HostileServer { _ in
            [.send(Self.ok + "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello")]
        }
        let sink = RecordingSink()
        let transport = try HTTPTransport(ServerURL(server.url), options: Self.hasty)
        _ = try await transport.fetch(TransferRequest("a", limit: 100), into: sink)
        #expect(sink.bytes == Array("hello".utf8))
    }

    @Test("a status of success without a body is an empty one")
    func noContent() async throws {
        let server = try HostileServer { _ in [.send("HTTP/1.1 204 No Content\r\n\r\n")] }
        let sink = RecordingSink()
        let transport = try HTTPTransport(ServerURL(server.url), options: Self.hasty)
        _ = try await transport.fetch(TransferRequest("a", limit: 100), into: sink)
        #expect(sink.isFinished && sink.bytes.isEmpty)
    }

    @Test("the total time of a transfer can be limited", .timeLimit(.minutes(5)))
    func totalTimeout() async throws {
        let server = try HostileServer { _ in
            [.send(Self.ok + "Content-Length: 100000000\r\n\r\n"), .drip(Self.kilobyte, pause: 10)]
        }
        var options = HTTPOptions()
        options.totalTimeout = .milliseconds(300)
        let transport = try HTTPTransport(ServerURL(server.url), options: options)
        let error = await #expect(throws: TransportError.self) {
            try await transport.fetch(TransferRequest("a", limit: 1 << 30), into: RecordingSink())
        }
        #expect(error?.code == .timeout)
    }

    @Test("whoever cannot be reached has an error of his own", .timeLimit(.minutes(5)))
    func unreachable() async throws {
        let dead = try NginxServer(serving: [:])
        dead.stop()
        let noName = "http://\(String(repeating: "a", count: 64)).invalid:80"
        let plain = try NginxServer(serving: [:])
        let secure = try ServedResources(["a": [1]], tls: .http1)
        var throughNoName = Self.hasty
        throughNoName.proxy = try Proxy(noName)
        var throughDead = Self.hasty
        throughDead.proxy = try Proxy(dead.url)
        var badFile = Self.hasty
        badFile.certificateAuthorities = "/nonexistent/ca.pem"
        let cases: [(String, HTTPOptions, TransportError.Code)] = [
            (dead.url, Self.hasty, .cannotConnect), (noName, Self.hasty, .hostNotResolved),
            (plain.url, throughNoName, .proxyNotResolved), (plain.url, throughDead, .cannotConnect),
            // Nobody speaks TLS there; and nobody vouches for who does.
            (plain.url.replacing("http://", with: "https://"), Self.hasty, .tlsFailed),
            (secure.server.secureURL, Self.hasty, .tlsFailed),
            (secure.server.secureURL, badFile, .invalidConfiguration),
        ]
        for (url, options, code) in cases {
            let transport = try HTTPTransport(ServerURL(url), options: options)
            let error = await #expect(throws: TransportError.self) {
                try await transport.fetch(TransferRequest("a", limit: 10), into: RecordingSink())
            }
            #expect(error?.code == code, "\(error?.message ?? "")")
        }
    }
}

import CVMFSTesting
import LocalServers
import Testing
import Transport

@Suite("every transport conforms")
struct TransportConformanceTests {
    enum Kind: String, CaseIterable {
        case memory
        case file
        case http
        case httpOverIPv6
        case https
        case http2
        case httpThroughSquid
        case httpsThroughSquid
        case failover
        case failoverFromDeadServer
    }

    @Test(
        "does what the protocol says", .timeLimit(.minutes(5)),
        arguments: Kind.allCases, ObjectTransportConformance.Requirement.allCases)
    func conforms(_ kind: Kind, _ requirement: ObjectTransportConformance.Requirement) async throws {
        try await ObjectTransportConformance { try Self.transport(kind, $0) }.check(requirement)
    }

    private static func transport(_ kind: Kind, _ resources: [String: [UInt8]]) throws -> any ObjectTransport {
        switch kind {
        case .memory:
            return MemoryTransport(resources)
        case .file:
            let served = try ServedResources(resources)
            return KeepingTransport(try FileTransport(ServerURL("file://\(served.folder.path)")), keeping: served)
        case .http:
            let served = try ServedResources(resources)
            return KeepingTransport(try served.transport(), keeping: served)
        case .httpOverIPv6:
            let served = try ServedResources(resources)
            let url = try #require(served.server.ipv6URL, "this machine has no IPv6 on loopback")
            return KeepingTransport(try HTTPTransport(ServerURL("\(url)/cvmfs/test")), keeping: served)
        case .https, .http2:
            let served = try ServedResources(resources, tls: kind == .http2 ? .http2 : .http1)
            return KeepingTransport(try secureTransport(to: served), keeping: served)
        case .httpThroughSquid:
            let served = try ServedResources(resources)
            let squid = try SquidServer()
            let options = HTTPOptions(proxy: try Proxy(squid.url))
            return KeepingTransport(try served.transport(options), keeping: served, squid)
        case .httpsThroughSquid:
            let served = try ServedResources(resources, tls: .http2)
            let squid = try SquidServer()
            let proxy = try Proxy(squid.url)
            return KeepingTransport(try secureTransport(to: served, proxy: proxy), keeping: served, squid)
        case .failover:
            let served = try ServedResources(resources)
            return KeepingTransport(try FailoverTransport(servers: [served.url]), keeping: served)
        case .failoverFromDeadServer:
            let served = try ServedResources(resources)
            let dead = try NginxServer(serving: [:])
            dead.stop()
            var policy = RetryPolicy()
            policy.backoffInitial = .milliseconds(1)
            return KeepingTransport(
                try FailoverTransport(servers: [dead.url, served.url], policy: policy), keeping: served, dead)
        }
    }

    private static func secureTransport(to served: ServedResources, proxy: Proxy = .direct) throws -> HTTPTransport {
        var options = HTTPOptions(proxy: proxy)
        options.certificateAuthorities = served.server.certificateFile
        return try HTTPTransport(ServerURL("\(served.server.secureURL)/cvmfs/test"), options: options)
    }
}

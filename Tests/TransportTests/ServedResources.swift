import CASCore
import LocalServers
import Transport

/// Some resources in a folder, and an nginx that serves it at `/cvmfs/test`.
final class ServedResources: Sendable {
    let folder: TemporaryFolder
    let server: NginxServer

    init(
        _ resources: [String: [UInt8]], tls: NginxConfiguration.TLS = .off, directives: String = ""
    ) throws {
        folder = try TemporaryFolder("resources")
        for (path, body) in resources { try folder.write(body, to: path) }
        server = try NginxServer(serving: ["/cvmfs/test": folder.path], tls: tls, directives: directives)
    }

    var url: String { server.url(of: "test") }

    func transport(
        _ options: HTTPOptions = HTTPOptions(), eventLoop: HTTPEventLoop = .shared
    ) throws -> HTTPTransport {
        try HTTPTransport(ServerURL(url), options: options, eventLoop: eventLoop)
    }
}

/// Keeps alive what a transport needs.
struct KeepingTransport<Inner: ObjectTransport>: ObjectTransport {
    let inner: Inner
    let kept: [any Sendable]

    init(_ inner: Inner, keeping kept: any Sendable...) {
        self.inner = inner
        self.kept = kept
    }

    func fetch(_ request: TransferRequest, into sink: some ByteSink) async throws -> TransferReceipt {
        try await inner.fetch(request, into: sink)
    }
}

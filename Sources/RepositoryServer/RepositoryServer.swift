internal import CASCore
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import Synchronization
internal import SystemPackage

/// Serves repositories over HTTP/1.1, for development and tests. For the public use any web server; see the article
/// on replicas and servers.
///
/// ```swift
/// let server = try RepositoryServer(serving: ["demo.example.org": "/srv/cvmfs/demo.example.org"])
/// try await server.run(port: 8000) { print("http://127.0.0.1:\($0)/cvmfs/demo.example.org") }
/// ```
///
/// Objects may be cached for three days, everything else for a minute. Source: format 5.
public struct RepositoryServer: Sendable {
    private let folders: [String: ServedFolder]

    /// - Parameter folders: the repositories' own folders, those that hold `.cvmfspublished`, by the names under which they
    ///   appear: `/cvmfs/NAME`.
    /// - Throws: `noRepository` when one of them cannot be opened.
    public init(serving folders: [String: String]) throws(ServerError) {
        var opened: [String: ServedFolder] = [:]
        for (name, path) in folders {
            guard let folder = ServedFolder(path) else {
                throw ServerError(.noRepository, "\(path) cannot be opened: there is nothing to serve as \(name)")
            }
            opened[name] = folder
        }
        self.folders = opened
    }

    /// Serves until the task is cancelled.
    ///
    /// - Parameters:
    ///   - host: a name or an address of this machine.
    ///   - port: 0 for any that is free.
    ///   - started: told the port, when connections are taken.
    /// - Throws: `address` when it cannot be listened at.
    public func run(
        host: String = "127.0.0.1", port: Int, started: @Sendable (Int) -> Void = { _ in }
    ) async throws {
        let listener: NIOAsyncChannel<NIOAsyncChannel<HTTPServerRequestPart, HTTPServerResponsePart>, Never>
        do {
            listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .bind(host: host, port: port) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(
                            IdleStateHandler(allTimeout: .seconds(ServerLimits.idleSeconds)))
                        try channel.pipeline.syncOperations.addHandler(IdleConnectionCloser())
                        try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                        return try NIOAsyncChannel(wrappingChannelSynchronously: channel)
                    }
                }
        } catch {
            // NIO tells the function as well, which helps nobody.
            let cause = (error as? IOError).map { Errno(rawValue: $0.errnoCode) as any Error } ?? error
            throw ServerError(.address, "cannot listen at \(host), port \(port)", cause: cause)
        }
        started(listener.channel.localAddress?.port ?? port)
        let connections = ConnectionCount()
        try await withThrowingDiscardingTaskGroup { group in
            try await listener.executeThenClose { inbound in
                for try await connection in inbound {
                    guard connections.enter() else {
                        connection.channel.close(promise: nil)
                        continue
                    }
                    group.addTask {
                        // What goes wrong with one connection is that client's trouble.
                        try? await self.serve(connection)
                        connections.leave()
                    }
                }
            }
        }
    }

    private func serve(
        _ connection: NIOAsyncChannel<HTTPServerRequestPart, HTTPServerResponsePart>
    ) async throws {
        try await connection.executeThenClose { inbound, outbound in
            var request: HTTPRequestHead?
            for try await part in inbound {
                switch part {
                case .head(let head): request = head
                // A body is read and forgotten.
                case .body: break
                case .end:
                    guard let head = request else { return }
                    request = nil
                    try await answer(head, outbound)
                    if !head.isKeepAlive { return }
                }
            }
        }
    }

    private func answer(
        _ request: HTTPRequestHead, _ outbound: NIOAsyncChannelOutboundWriter<HTTPServerResponsePart>
    ) async throws {
        guard request.method == .GET || request.method == .HEAD else {
            return try await refuse(request, .methodNotAllowed, ["Allow": "GET, HEAD"], outbound)
        }
        guard let (folder, file) = find(request.uri),
            let opened = try await BlockingPool.shared.run({ OpenedFile(file.path, in: folder.descriptor) })
        else { return try await refuse(request, .notFound, ["Cache-Control": "max-age=61"], outbound) }
        let size = opened.size
        var headers: HTTPHeaders = [
            "Content-Type": file.contentType, "Cache-Control": file.cacheControl, "Accept-Ranges": "bytes",
        ]
        var status = HTTPResponseStatus.ok
        var range = 0..<size
        switch RequestedBytes(request.headers.first(name: "Range"), size: size) {
        case .whole: break
        case .part(let part):
            (status, range) = (.partialContent, part)
            headers.add(name: "Content-Range", value: "bytes \(part.lowerBound)-\(part.upperBound - 1)/\(size)")
        case .unsatisfiable:
            return try await refuse(
                request, .rangeNotSatisfiable, ["Content-Range": "bytes */\(size)"], outbound)
        }
        headers.add(name: "Content-Length", value: String(range.count))
        try await outbound.write(.head(head(request, status, headers)))
        if request.method == .GET { try await send(opened, range, outbound) }
        try await outbound.write(.end(nil))
    }

    private func send(
        _ file: OpenedFile, _ range: Range<Int64>, _ outbound: NIOAsyncChannelOutboundWriter<HTTPServerResponsePart>
    ) async throws {
        var offset = range.lowerBound
        while offset < range.upperBound {
            let piece = offset..<min(range.upperBound, offset + Int64(ServerLimits.pieceBytes))
            // Having said how much there is, nothing is left but to end the connection when it is less.
            guard let bytes = try await BlockingPool.shared.run({ file.read(piece) }) else { throw CancellationError() }
            try await outbound.write(.body(.byteBuffer(ByteBuffer(bytes: bytes))))
            offset = piece.upperBound
        }
    }

    private func refuse(
        _ request: HTTPRequestHead, _ status: HTTPResponseStatus, _ headers: HTTPHeaders,
        _ outbound: NIOAsyncChannelOutboundWriter<HTTPServerResponsePart>
    ) async throws {
        var headers = headers
        headers.add(name: "Content-Length", value: "0")
        try await outbound.write(.head(head(request, status, headers)))
        try await outbound.write(.end(nil))
    }

    private func head(
        _ request: HTTPRequestHead, _ status: HTTPResponseStatus, _ headers: HTTPHeaders
    ) -> HTTPResponseHead {
        var headers = headers
        if !request.isKeepAlive { headers.add(name: "Connection", value: "close") }
        return HTTPResponseHead(version: .http1_1, status: status, headers: headers)
    }

    /// `/cvmfs/NAME/…`, with or without a query, which proxies and caches may add.
    private func find(_ uri: String) -> (ServedFolder, ServedFile)? {
        let path = uri.prefix { $0 != "?" }
        guard path.hasPrefix("/cvmfs/") else { return nil }
        let rest = path.dropFirst(7)
        guard let slash = rest.firstIndex(of: "/"), let folder = folders[String(rest[..<slash])],
            let file = ServedFile(requested: rest[rest.index(after: slash)...])
        else { return nil }
        return (folder, file)
    }
}

/// How many connections are open; few enough.
private final class ConnectionCount: Sendable {
    private let count = Atomic(0)

    /// False when there are as many as there may be.
    func enter() -> Bool {
        if count.add(1, ordering: .relaxed).newValue <= ServerLimits.connections { return true }
        leave()
        return false
    }

    func leave() { count.subtract(1, ordering: .relaxed) }
}

/// Ends a connection on which nothing happens.
private final class IdleConnectionCloser: ChannelInboundHandler {
    typealias InboundIn = NIOAny

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is IdleStateHandler.IdleStateEvent {
            context.close(promise: nil)
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }
}

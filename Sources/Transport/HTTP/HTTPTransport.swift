public import CASCore

/// Fetches from one server over HTTP, straight or through one proxy.
///
/// Many requests at the same time share the event loop's connections (kept alive; with TLS one connection for all,
/// where the server speaks HTTP/2). There is no retry in it: `FailoverTransport` adds that.
public struct HTTPTransport: ObjectTransport {
    private let settings: HTTPSettings

    /// Names a server; nothing is connected yet.
    ///
    /// - Throws: `TransportError` with code `invalidConfiguration`, when the URL is not one of http or https.
    public init(
        _ server: ServerURL, options: HTTPOptions = HTTPOptions(), eventLoop: HTTPEventLoop = .shared
    ) throws(TransportError) {
        guard server.scheme != .file else {
            throw TransportError(.invalidConfiguration, "\(server) is not http; use FileTransport")
        }
        settings = HTTPSettings(server: server, options: options, eventLoop: eventLoop)
    }

    public func fetch(_ request: TransferRequest, into sink: some ByteSink) async throws -> TransferReceipt {
        try RequestedRange.check(request)
        let exchange = try HTTPExchange(request, settings: settings)
        if request.range?.isEmpty == true {
            try sink.restart(expectedLength: 0)
            try sink.finish()
            return TransferReceipt(source: settings.server.description, bytes: 0, requests: 0)
        }
        let core = settings.eventLoop.core
        return try await withTaskCancellationHandler {
            try Task.checkCancellation()
            core.start(exchange)
            return try await deliver(exchange, into: sink)
        } onCancel: {
            exchange.pipe.close()
            core.abandon(exchange)
        }
    }

    private func deliver(_ exchange: HTTPExchange, into sink: some ByteSink) async throws -> TransferReceipt {
        let core = settings.eventLoop.core
        var isEnded = false
        // Whatever the sink throws leaves the transfer without anybody who wants it.
        defer {
            if !isEnded {
                exchange.pipe.close()
                core.abandon(exchange)
            }
        }
        var spare: [UInt8] = []
        var received: Int64 = 0
        while true {
            let delivery = await exchange.pipe.next(recycling: &spare)
            if delivery.isCancelled { throw CancellationError() }
            if delivery.wasFull { core.resume(exchange) }
            isEnded = delivery.outcome != nil
            if case .failure(let error) = delivery.outcome { throw error }
            if let start = delivery.start { try sink.restart(expectedLength: start.expectedLength) }
            if !delivery.bytes.isEmpty {
                received += Int64(delivery.bytes.count)
                try sink.write(delivery.bytes.span.bytes)
            }
            if case .success(let requests) = delivery.outcome {
                try sink.finish()
                return TransferReceipt(
                    source: settings.server.description, bytes: received, requests: requests)
            }
            spare = delivery.bytes
        }
    }
}

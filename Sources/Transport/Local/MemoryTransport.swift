public import CASCore

/// Serves resources that the program holds: for tests, and for programs that carry a repository in them.
public struct MemoryTransport: ObjectTransport {
    private let resources: [String: [UInt8]]
    private let source: String

    /// - Parameters:
    ///   - resources: bodies by path, as requests spell it (`.cvmfspublished`, `data/ab/…`).
    ///   - source: what receipts and errors call it.
    public init(_ resources: [String: [UInt8]], source: String = "memory") {
        self.resources = resources
        self.source = source
    }

    public func fetch(_ request: TransferRequest, into sink: some ByteSink) async throws -> TransferReceipt {
        try Task.checkCancellation()
        try ResourcePath.check(request.path)
        try RequestedRange.check(request)
        guard let body = resources[request.path] else {
            throw TransportError(.notFound, "\(source)/\(request.path) does not exist", status: 404)
        }
        let range = try RequestedRange.resolved(request, size: Int64(body.count), source: source)
        let bytes = body.span.bytes.extracting(Int(range.lowerBound)..<Int(range.upperBound))
        guard Int64(bytes.byteCount) <= request.limit else {
            throw TransportError(
                .tooLong, "\(source)/\(request.path) is longer than the \(request.limit) bytes that are allowed")
        }
        try sink.restart(expectedLength: bytes.byteCount)
        var offset = 0
        while offset < bytes.byteCount {
            let end = min(offset + TransportLimits.pieceBytes, bytes.byteCount)
            try Task.checkCancellation()
            try sink.write(bytes.extracting(offset..<end))
            offset = end
        }
        try sink.finish()
        return TransferReceipt(source: source, bytes: Int64(bytes.byteCount), requests: 1)
    }
}

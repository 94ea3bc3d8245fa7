public import CASCore

/// A way to get bytes from a server: the one requirement that another back end must meet.
///
/// `HTTPTransport`, `FileTransport` and `MemoryTransport` are ours; `FailoverTransport` puts several servers and
/// retries around any of them. A conformance suite in `CVMFSTesting` proves anyone's own right.
public protocol ObjectTransport: Sendable {
    /// Streams the body of one resource into a sink.
    ///
    /// Calls the sink as `ByteSink` says: `restart`, `write`…, `finish`, in this order and one at a time, on the task
    /// that called, and reads no further ahead of the sink than a bounded buffer. When the task is cancelled the
    /// transfer ends soon and `CancellationError` is thrown. What the sink throws is passed on as it is.
    ///
    /// - Throws: `TransportError`, what the sink throws, or `CancellationError`.
    func fetch(_ request: TransferRequest, into sink: some ByteSink) async throws -> TransferReceipt
}

/// What to get, and how.
public struct TransferRequest: Sendable, Hashable {
    /// Below the repository's URL, without a leading slash and already percent-escaped: `.cvmfspublished`, `data/ab/…`.
    public var path: String
    /// The most bytes the body may have. A longer one ends in `TransportError.Code.tooLong`.
    public var limit: Int64
    public var priority: FetchPriority
    /// Asks caches on the way to get the resource anew (`Cache-Control: no-cache`).
    public var bypassesCaches: Bool
    /// Only these bytes of the resource (HTTP `Range`), for chunks of external files.
    public var range: Range<Int64>?

    public init(
        _ path: String, limit: Int64, priority: FetchPriority = .demand, bypassesCaches: Bool = false,
        range: Range<Int64>? = nil
    ) {
        self.path = path
        self.limit = limit
        self.priority = priority
        self.bypassesCaches = bypassesCaches
        self.range = range
    }
}

/// What a transfer cost.
public struct TransferReceipt: Sendable, Hashable {
    /// Which server delivered: its URL, or another name of the source.
    public var source: String
    /// Bytes of the body as they came over the wire, failed attempts included.
    public var bytes: Int64
    /// Requests made, failed ones included.
    public var requests: Int

    public init(source: String, bytes: Int64, requests: Int) {
        self.source = source
        self.bytes = bytes
        self.requests = requests
    }
}

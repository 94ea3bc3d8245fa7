internal import Synchronization

/// Collects a body of bounded length in memory.
public final class MemorySink: ByteSink, Sendable {
    private let limit: Int
    private let body = Mutex<[UInt8]>([])

    /// - Parameter limit: the most bytes that are taken.
    public init(limit: Int) { self.limit = max(0, limit) }

    /// The bytes written since the last restart.
    public var bytes: [UInt8] { body.withLock { $0 } }

    public func restart(expectedLength: Int?) {
        body.withLock { body in
            body.removeAll(keepingCapacity: true)
            // The hint may lie, so it is believed only as far as a wasted allocation does not matter.
            body.reserveCapacity(max(0, min(expectedLength ?? 0, limit, 64 << 10)))
        }
    }

    /// - Throws: `CASError` with `tooLarge` when the body is longer than the limit.
    public func write(_ bytes: RawSpan) throws(CASError) {
        let isTaken = body.withLock { body in
            guard bytes.byteCount <= limit - body.count else { return false }
            bytes.withUnsafeBytes { body.append(contentsOf: $0) }
            return true
        }
        if !isTaken { throw CASError(.tooLarge, "the body is longer than the \(limit) bytes that are allowed") }
    }

    public func finish() {}
}

/// Where a stream of bytes goes: what transports fill and stores provide.
///
/// A transport calls `restart()` before every attempt, then `write(_:)` any number of times, then `finish()` once at
/// the end of the body, one call after another. All three may block for disk or for the processor, so a transport
/// makes them on the task that called its `fetch`, never on an event loop; the caller chooses the executor.
///
/// What a sink throws ends the attempt. A `CASError` that `isBadData` says that the bytes are wrong, so that another
/// source may have better ones; anything else is the sink's own trouble and final.
public protocol ByteSink: AnyObject, Sendable {
    /// Forgets everything written so far.
    /// - Parameter expectedLength: the body's length in bytes when the source says one; a hint that may lie.
    func restart(expectedLength: Int?) throws

    /// Takes the next bytes of the body.
    func write(_ bytes: RawSpan) throws

    /// The body is complete: verifies it, and throws if it is not what was wanted.
    func finish() throws
}

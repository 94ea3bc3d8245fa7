internal import Synchronization

/// Bounds the memory that all decoders together hold to unpack objects whole.
///
/// Nobody waits for a share: a decoder that gets none streams, which is slower and needs next to nothing.
package final class InflateBudget: Sendable {
    /// The budget of the process: `Limits.inflateBudgetBytes`.
    package static let shared = InflateBudget(bytes: Limits.inflateBudgetBytes)

    private let available: Mutex<Int>

    /// - Parameter bytes: how much may be held at once; 0 makes every decoder stream.
    package init(bytes: Int) { available = Mutex(max(0, bytes)) }

    /// Takes a share if there is one.
    func take(_ bytes: Int) -> Bool {
        available.withLock { available in
            guard bytes <= available else { return false }
            available -= bytes
            return true
        }
    }

    /// Gives a share back.
    func giveBack(_ bytes: Int) { available.withLock { $0 += bytes } }
}

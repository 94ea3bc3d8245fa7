/// When a store makes room, and how much.
///
/// What is pinned takes its part of the limit; the rest is the room for everything else. Eviction starts in the
/// background at nine tenths of that room and stops at eight, so that writers seldom meet the limit itself; there they
/// evict before they go on.
struct EvictionPolicy: Sendable {
    /// The most that the store may hold, in bytes.
    let limit: Int64
    /// Space that is left to others on the disk, in bytes.
    let reserve: Int64

    /// Why room is made.
    enum Need: Sendable {
        /// Looking after things in the background.
        case upkeep
        /// An object of so many bytes would pass the limit.
        case limit(charge: Int64)
        /// The disk was full.
        case fullDisk
    }

    private static let leastStep: Int64 = 1 << 20
    /// Files that are left to others on the disk.
    private static let leastFiles: Int64 = 256

    /// Default of the reserve: 256 MiB, or a fiftieth of a small disk.
    static func defaultReserve(ofDisk total: Int64) -> Int64 { min(256 << 20, total / 50) }

    /// Room for what is not pinned, in bytes. However much is pinned a sixteenth of the limit is left, or else whatever
    /// is stored would go again at once.
    func room(pinned: Int64) -> Int64 { max(limit - pinned, limit / 16) }

    /// What the store may hold when so much of it is pinned.
    func limit(pinned: Int64) -> Int64 {
        let (sum, overflows) = pinned.addingReportingOverflow(room(pinned: pinned))
        return overflows ? .max : sum
    }

    func startMark(pinned: Int64) -> Int64 { limit(pinned: pinned) - room(pinned: pinned) / 10 }

    /// What is left after an eviction.
    func stopMark(pinned: Int64) -> Int64 { limit(pinned: pinned) - room(pinned: pinned) / 10 * 2 }

    /// The largest object that is kept though it is not pinned.
    func largestObject(pinned: Int64) -> Int64 { room(pinned: pinned) / 10 * 8 }

    /// How much more may be stored after an eviction that found nothing before the next is tried.
    var patience: Int64 { limit / 64 }

    /// How many bytes to free.
    /// - Parameters:
    ///   - used: what the store holds, in bytes.
    ///   - pinned: how much of that is pinned.
    ///   - available: what the disk still takes, in bytes; `nil` when it does not say.
    ///   - availableFiles: how many files it still takes; `nil` likewise.
    func bytesToFree(
        for need: Need, used: Int64, pinned: Int64, available: Int64?, availableFiles: Int64?
    ) -> Int64 {
        let stop = stopMark(pinned: pinned)
        var goal = used > startMark(pinned: pinned) ? used - stop : 0
        if let available, available < reserve { goal = max(goal, reserve - available + reserve / 4) }
        // An object takes a file, whatever its size.
        if let availableFiles, availableFiles < Self.leastFiles { goal = max(goal, used / 16) }
        switch need {
        case .upkeep: break
        case .limit(let charge):
            let limit = limit(pinned: pinned)
            // What is counted and the charge of one object are far below 63 bits.
            if used + charge > limit { goal = max(goal, used - stop, used + charge - limit) }
        case .fullDisk: goal = max(goal, used / 16, Self.leastStep)
        }
        return goal
    }
}

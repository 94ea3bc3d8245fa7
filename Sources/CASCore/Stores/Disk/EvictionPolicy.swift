/// When a store makes room, and how much.
///
/// Eviction starts in the background at nine tenths of the limit and stops at eight, so that writers seldom meet the
/// limit itself; there they evict before they go on.
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

    var startMark: Int64 { limit / 10 * 9 }
    /// What is left after an eviction.
    var stopMark: Int64 { limit / 10 * 8 }

    /// Default of the reserve: 256 MiB, or a fiftieth of a small disk.
    static func defaultReserve(ofDisk total: Int64) -> Int64 { min(256 << 20, total / 50) }

    /// How many bytes to free.
    /// - Parameters:
    ///   - used: what the store holds, in bytes.
    ///   - available: what the disk still takes, in bytes; `nil` when it does not say.
    ///   - availableFiles: how many files it still takes; `nil` likewise.
    func bytesToFree(for need: Need, used: Int64, available: Int64?, availableFiles: Int64?) -> Int64 {
        var goal = used > startMark ? used - stopMark : 0
        if let available, available < reserve { goal = max(goal, reserve - available + reserve / 4) }
        // An object takes a file, whatever its size.
        if let availableFiles, availableFiles < Self.leastFiles { goal = max(goal, used / 16) }
        switch need {
        case .upkeep: break
        case .limit(let charge):
            // What is counted and the charge of one object are far below 63 bits.
            if used + charge > limit { goal = max(goal, used - stopMark, used + charge - limit) }
        case .fullDisk: goal = max(goal, used / 16, Self.leastStep)
        }
        return goal
    }
}

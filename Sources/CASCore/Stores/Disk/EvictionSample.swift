/// When the objects of a part of a cache were last used: tells where to cut so that so much of the whole comes free.
///
/// Names are hashes, so every folder is a fair sample of all.
struct EvictionSample: Sendable {
    /// All folders of a cache.
    private static let allFolders: Int64 = 256

    /// How many folders were looked at.
    var folders: Int64 = 0
    /// Objects seen.
    private(set) var count = 0
    private var evictable: [(accessed: Int64, charge: Int64)] = []
    private var pinnedInSample: Int64 = 0

    /// - Parameters:
    ///   - accessed: the last use, nanoseconds since 1970.
    ///   - charge: what it counts for, in bytes.
    mutating func add(accessed: Int64, charge: Int64, isPinned: Bool) {
        count += 1
        if isPinned { pinnedInSample += charge } else { evictable.append((accessed, charge)) }
    }

    /// How much of the cache is pinned, in bytes; an estimate unless all folders were looked at.
    var pinned: Int64 {
        if folders == 0 { return 0 }
        let (each, rest) = pinnedInSample.quotientAndRemainder(dividingBy: folders)
        return each * Self.allFolders + rest * Self.allFolders / folders
    }

    /// The time up to which the last use must lie for an object to go, so that at least `bytes` of the cache come free
    /// and hardly more than necessary; the end of time when all that is not pinned is not enough.
    func cut(freeing bytes: Int64) -> Int64 {
        // A little more than its share, lest the estimate falls short of the goal and another turn is needed.
        var missing = folders >= Self.allFolders ? bytes : bytes / Self.allFolders * folders / 20 * 21
        for object in evictable.sorted(by: { $0.accessed < $1.accessed }) {
            missing -= object.charge
            if missing <= 0 { return object.accessed }
        }
        return .max
    }
}

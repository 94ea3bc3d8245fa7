/// When the objects of a part of a cache were last used: tells where to cut so that a given part of it comes free.
///
/// Names are hashes, so every folder is a fair sample of all.
struct EvictionSample: Sendable {
    private var objects: [(accessed: Int64, charge: Int64)] = []

    var count: Int { objects.count }

    /// - Parameters:
    ///   - accessed: the last use, nanoseconds since 1970.
    ///   - charge: what it counts for, in bytes.
    mutating func add(accessed: Int64, charge: Int64) { objects.append((accessed, charge)) }

    /// The time up to which the last use must lie for an object to go, so that at least `bytes` of the sample come
    /// free and no more than necessary; the end of time when all of it is not enough.
    func cut(freeing bytes: Int64) -> Int64 {
        var missing = bytes
        for object in objects.sorted(by: { $0.accessed < $1.accessed }) {
            missing -= object.charge
            if missing <= 0 { return object.accessed }
        }
        return .max
    }
}

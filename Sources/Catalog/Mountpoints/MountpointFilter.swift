internal import Synchronization

/// Tells quickly which directories above a path cannot be mountpoints, from 8 bytes a mountpoint.
///
/// Without it, finding the catalog of a path would cost a query for every directory above.
struct MountpointFilter: Sendable {
    /// Sorted; `nil` when there are too many to keep.
    private let hashes: [UInt64]?

    init(_ hashes: [UInt64]) {
        self.hashes = hashes.count <= CatalogLimits.mountpointsKept ? hashes.sorted() : nil
    }

    /// FNV-1a. Collisions, made or met, cost a query and nothing else.
    static func hash(_ path: some Sequence<UInt8>) -> UInt64 { path.reduce(seed) { extend($0, $1) } }

    private static let seed: UInt64 = 0xCBF2_9CE4_8422_2325

    private static func extend(_ hash: UInt64, _ byte: UInt8) -> UInt64 { (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }

    /// The lengths of those of a path's prefixes that may be mountpoints, the shortest first.
    /// - Parameters:
    ///   - path: a path as the catalog has it.
    ///   - rootLength: the length of its prefix that is the catalog's own root, which is not among them.
    func candidates(in path: [UInt8], above rootLength: Int) -> [Int] {
        guard hashes?.isEmpty != true, path.count > rootLength else { return [] }
        var lengths: [Int] = []
        var hash = Self.seed
        for index in path.indices {
            if index > rootLength, path[index] == UInt8(ascii: "/"), mayHold(hash) { lengths.append(index) }
            hash = Self.extend(hash, path[index])
        }
        if mayHold(hash) { lengths.append(path.count) }
        return lengths
    }

    private func mayHold(_ hash: UInt64) -> Bool {
        guard let hashes else { return true }
        var range = 0..<hashes.count
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            if hashes[middle] == hash { return true }
            range = hashes[middle] < hash ? middle + 1..<range.upperBound : range.lowerBound..<middle
        }
        return false
    }
}

/// A filter that is made when it is first asked for.
final class LazyMountpointFilter: Sendable {
    private let filter = Mutex<MountpointFilter?>(nil)

    func value(_ make: () throws(CatalogError) -> MountpointFilter) throws(CatalogError) -> MountpointFilter {
        try filter.withLock { filter throws(CatalogError) in
            if let filter { return filter }
            let made = try make()
            filter = made
            return made
        }
    }
}

internal import CASCore

/// The nested catalogs that are loaded, by the paths where they are mounted.
///
/// Finds the one nearest above a path without making the paths in between, and mostly without hashing any of them.
struct MountedCatalogs {
    // Several under one hash are a collision, by chance or somebody's work.
    private var byHash: [UInt64: [CatalogTree.Mounted]] = [:]
    private(set) var count = 0
    /// Bit `n & 63` for every length `n` of a path that is or was here: most prefixes need not be looked for.
    private var lengths: UInt64 = 0

    var all: [CatalogTree.Mounted] { byHash.values.flatMap { $0 } }

    subscript(path: RepositoryPath) -> CatalogTree.Mounted? {
        byHash[Self.hash(path.bytes)]?.first { $0.path == path }
    }

    mutating func insert(_ mounted: CatalogTree.Mounted) {
        remove(mounted.path)
        byHash[Self.hash(mounted.path.bytes), default: []].append(mounted)
        count += 1
        lengths |= Self.bit(of: mounted.path.bytes.count)
    }

    mutating func remove(_ path: RepositoryPath) {
        let hash = Self.hash(path.bytes)
        guard var mounted = byHash[hash], let index = mounted.firstIndex(where: { $0.path == path }) else { return }
        mounted.remove(at: index)
        byHash[hash] = mounted.isEmpty ? nil : mounted
        count -= 1
    }

    /// The one that is mounted at a path or nearest above it.
    /// - Parameter excludingPath: leaves out one that is mounted at the path itself.
    func nearest(to path: RepositoryPath, excludingPath: Bool) -> CatalogTree.Mounted? {
        guard count > 0 else { return nil }
        return path.bytes.withUnsafeBufferPointer { bytes in
            if !excludingPath, let mounted = mounted(bytes) { return mounted }
            var end = bytes.count - 1
            while end > 0 {
                if bytes[end] == UInt8(ascii: "/"), let mounted = mounted(.init(rebasing: bytes[..<end])) {
                    return mounted
                }
                end -= 1
            }
            return nil
        }
    }

    private func mounted(_ path: UnsafeBufferPointer<UInt8>) -> CatalogTree.Mounted? {
        guard lengths & Self.bit(of: path.count) != 0 else { return nil }
        return byHash[Self.hash(path)]?.first { $0.path.bytes.elementsEqual(path) }
    }

    private static func bit(of length: Int) -> UInt64 { 1 << UInt64(length & 63) }

    /// FNV-1a.
    private static func hash(_ bytes: some Sequence<UInt8>) -> UInt64 {
        bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }
}

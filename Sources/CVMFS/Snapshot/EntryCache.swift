internal import CASCore
internal import Catalog
internal import Synchronization

/// Remembers what lookups found, absence too, up to a bound.
///
/// A table of sets with a few places each, as processors' caches have it: a path has its place in one set, whose least
/// recently used answer goes. So nothing ever grows, moves or is swept, and a lookup costs one hash of the path.
final class EntryCache: Sendable {
    enum Answer {
        case entry(Entry)
        case absent
    }

    /// A path and its hash, which is made once a lookup.
    struct Key {
        let path: RepositoryPath
        fileprivate let hash: UInt64

        init(_ path: RepositoryPath) {
            self.path = path
            hash = Self.hash(path.bytes)
        }

        /// Nobody who chooses paths can foresee which of them share a set.
        private static let seed = UInt64.random(in: 0 ... .max)

        /// Eight bytes at a time. It need not withstand an attack as a dictionary's hash must: paths that collide cost
        /// each other their places, and never a search.
        private static func hash(_ path: [UInt8]) -> UInt64 {
            path.withUnsafeBytes { bytes in
                var hash = seed ^ UInt64(truncatingIfNeeded: bytes.count)
                var offset = 0
                while offset + 8 <= bytes.count {
                    hash = mixed(hash ^ bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
                    offset += 8
                }
                var rest: UInt64 = 0
                while offset < bytes.count {
                    rest = rest << 8 | UInt64(bytes[offset])
                    offset += 1
                }
                return mixed(hash ^ rest)
            }
        }

        /// Both halves of a product with an odd number that has no pattern.
        private static func mixed(_ value: UInt64) -> UInt64 {
            let product = value.multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
            return product.high ^ product.low
        }
    }

    private struct Place {
        var hash: UInt64 = 0
        /// 0: the place is empty.
        var lastUse: UInt32 = 0
        var path = RepositoryPath.root
        /// `nil`: there is nothing at the path.
        var entry: CatalogEntry?

        func isOf(_ key: Key) -> Bool { lastUse != 0 && hash == key.hash && path == key.path }
    }

    private struct Shard {
        /// Empty until the first answer comes.
        var places: [Place] = []
        private var clock: UInt32 = 0

        /// The next time of use, which is not 0.
        mutating func tick() -> UInt32 {
            clock = clock == .max ? 1 : clock + 1
            return clock
        }
    }

    private final class ShardBox: Sendable {
        let shard = Mutex(Shard())
    }

    // Sixteen locks keep as many threads apart as a client has workers.
    private static let shardCount = 16
    // With eight places a set, a table that is full of what is wanted loses hardly any of it to chance.
    private static let placesInSet = 8
    private let shards: [ShardBox]
    private let setsInShard: Int

    /// - Parameter capacity: entries kept at most, in whole sets, one a shard at least.
    init(capacity: Int) {
        shards = (0..<Self.shardCount).map { _ in ShardBox() }
        setsInShard = max(1, capacity / (Self.shardCount * Self.placesInSet))
    }

    /// What is remembered of a path.
    subscript(key: Key) -> Answer? {
        get {
            box(of: key).shard.withLock { shard -> Answer? in
                guard !shard.places.isEmpty else { return nil }
                for index in places(of: key.hash) where shard.places[index].isOf(key) {
                    shard.places[index].lastUse = shard.tick()
                    let place = shard.places[index]
                    return place.entry.map { .entry(Entry(path: place.path, attributes: $0)) } ?? .absent
                }
                return nil
            }
        }
    }

    /// Remembers what is at a path; `nil` when there is nothing.
    func remember(_ entry: CatalogEntry?, at key: Key) {
        // What goes is released outside the lock.
        let old = box(of: key).shard.withLock { shard -> Place in
            if shard.places.isEmpty {
                shard.places = Array(repeating: Place(), count: setsInShard * Self.placesInSet)
            }
            let now = shard.tick()
            let index = Self.place(for: key, among: places(of: key.hash), in: shard.places, at: now)
            var place = Place(hash: key.hash, lastUse: now, path: key.path, entry: entry)
            swap(&place, &shard.places[index])
            return place
        }
        _ = old
    }

    private func box(of key: Key) -> ShardBox { shards[Int(key.hash % UInt64(Self.shardCount))] }

    private func places(of hash: UInt64) -> Range<Int> {
        let set = Int((hash / UInt64(Self.shardCount)) % UInt64(setsInShard))
        return set * Self.placesInSet..<(set + 1) * Self.placesInSet
    }

    /// The place that the path has already, else an empty one, else that of the least recently used.
    private static func place(for key: Key, among range: Range<Int>, in places: [Place], at clock: UInt32) -> Int {
        var best = range.lowerBound
        var bestAge: UInt32 = 0
        for index in range {
            // The clock begins with 1. Looking at the entries themselves would cost a count up and down for each.
            if places[index].lastUse == 0 { return index }
            if places[index].isOf(key) { return index }
            // Right also when the clock has run over.
            let age = clock &- places[index].lastUse
            if age > bestAge {
                best = index
                bestAge = age
            }
        }
        return best
    }
}

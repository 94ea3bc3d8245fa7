internal import CASCore
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

    /// An answer in one piece of memory, so that under the lock only a reference changes hands.
    private final class Node: Sendable {
        let path: RepositoryPath
        let answer: Answer

        init(path: RepositoryPath, answer: Answer) {
            self.path = path
            self.answer = answer
        }
    }

    /// A path and its hash, which costs as much as all else in a lookup, so that it is made once.
    struct Key {
        let path: RepositoryPath
        fileprivate let hash: Int

        init(_ path: RepositoryPath) {
            self.path = path
            hash = path.hashValue
        }
    }

    private struct Place {
        var hash = 0
        var lastUse: UInt32 = 0
        var node: Node?
    }

    private struct Shard {
        /// Empty until the first answer comes.
        var places: [Place] = []
        var clock: UInt32 = 0
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

    /// - Parameter capacity: entries kept at most, rounded up to whole sets.
    init(capacity: Int) {
        shards = (0..<Self.shardCount).map { _ in ShardBox() }
        setsInShard = max(1, capacity / (Self.shardCount * Self.placesInSet))
    }

    subscript(key: Key) -> Answer? {
        get {
            let node = shards[key.hash & (Self.shardCount - 1)].shard.withLock { shard -> Node? in
                guard !shard.places.isEmpty else { return nil }
                for index in places(of: key.hash)
                where shard.places[index].hash == key.hash && shard.places[index].node?.path == key.path {
                    shard.clock &+= 1
                    shard.places[index].lastUse = shard.clock
                    return shard.places[index].node
                }
                return nil
            }
            return node?.answer
        }
        set {
            guard let newValue else { return }
            let node = Node(path: key.path, answer: newValue)
            // What goes is released outside the lock.
            let old = shards[key.hash & (Self.shardCount - 1)].shard.withLock { shard -> Node? in
                if shard.places.isEmpty {
                    shard.places = Array(repeating: Place(), count: setsInShard * Self.placesInSet)
                }
                shard.clock &+= 1
                let index = Self.place(for: key, among: places(of: key.hash), in: shard.places, at: shard.clock)
                let old = shard.places[index].node
                shard.places[index] = Place(hash: key.hash, lastUse: shard.clock, node: node)
                return old
            }
            _ = old
        }
    }

    private func places(of hash: Int) -> Range<Int> {
        let set = Int((UInt(bitPattern: hash) / UInt(Self.shardCount)) % UInt(setsInShard))
        return set * Self.placesInSet..<(set + 1) * Self.placesInSet
    }

    /// The place that the path has already, else an empty one, else that of the least recently used.
    private static func place(for key: Key, among range: Range<Int>, in places: [Place], at clock: UInt32) -> Int {
        var best = range.lowerBound
        var bestAge: UInt32 = 0
        for index in range {
            guard let node = places[index].node else { return index }
            if places[index].hash == key.hash, node.path == key.path { return index }
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

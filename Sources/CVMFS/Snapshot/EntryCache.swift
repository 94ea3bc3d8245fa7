internal import CASCore
internal import Synchronization

/// Remembers what lookups found, absence too, up to a bound.
///
/// Two generations a shard: when the young one is full it becomes the old one, and what is used again returns to the
/// young. That is nearly LRU, at the price of one or two hash look-ups and no list to keep.
final class EntryCache: Sendable {
    enum Answer {
        case entry(Entry)
        case absent
    }

    private struct Shard {
        var young: [RepositoryPath: Answer] = [:]
        var old: [RepositoryPath: Answer] = [:]
    }

    // Sixteen locks keep as many threads apart as a client has workers.
    private static let shardCount = 16
    private let shards: [ShardBox]
    private let shardCapacity: Int

    private final class ShardBox: Sendable {
        let shard = Mutex(Shard())
    }

    /// - Parameter capacity: entries kept at most.
    init(capacity: Int) {
        shards = (0..<Self.shardCount).map { _ in ShardBox() }
        shardCapacity = max(1, capacity / Self.shardCount / 2)
    }

    subscript(path: RepositoryPath) -> Answer? {
        get {
            shard(of: path).shard.withLock { shard in
                if let answer = shard.young[path] { return answer }
                guard let answer = shard.old.removeValue(forKey: path) else { return nil }
                insert(answer, for: path, into: &shard)
                return answer
            }
        }
        set {
            guard let newValue else { return }
            shard(of: path).shard.withLock { insert(newValue, for: path, into: &$0) }
        }
    }

    private func insert(_ answer: Answer, for path: RepositoryPath, into shard: inout Shard) {
        if shard.young.count >= shardCapacity {
            shard.old = shard.young
            shard.young = [:]
        }
        shard.young[path] = answer
    }

    private func shard(of path: RepositoryPath) -> ShardBox {
        // Names differ mostly at their ends; a few bytes there spread well enough over sixteen shards.
        var mixed: UInt8 = UInt8(truncatingIfNeeded: path.bytes.count)
        for byte in path.bytes.suffix(4) { mixed = mixed &* 31 &+ byte }
        return shards[Int(mixed % UInt8(Self.shardCount))]
    }
}

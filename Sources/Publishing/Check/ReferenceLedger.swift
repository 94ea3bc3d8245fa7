internal import CASCore
internal import Synchronization

/// All objects that catalogs need, each once, in 256 parts by the first byte of their hashes. Some 100 bytes of memory
/// an object.
final class ReferenceLedger: Sendable {
    struct Key: Hashable {
        let hash: ContentHash
        let kind: ObjectKind
        let compression: Compression

        init(_ object: ObjectID) { (hash, kind, compression) = (object.hash, object.kind, object.compression) }

        var object: ObjectID { ObjectID(hash, kind: kind, compression: compression) }
    }

    private final class Part: Sendable {
        /// Bytes of content; -1 where nothing says how many.
        let sizes = Mutex<[Key: Int64]>([:])
    }

    private let parts = (0..<256).map { _ in Part() }

    /// Adds an object.
    /// - Returns: the size that it was added with first, when that is another one.
    func add(_ object: ObjectID, size: Int64?) -> Int64? {
        let first = object.hash.withDigest { $0.unsafeLoad(as: UInt8.self) }
        return parts[Int(first)].sizes.withLock { sizes in
            let key = Key(object)
            guard let known = sizes[key], known >= 0 else {
                sizes[key] = size ?? -1
                return nil
            }
            guard let size, size != known else { return nil }
            return known
        }
    }

    /// What was added in one part.
    func sizes(in part: UInt8) -> [Key: Int64] { parts[Int(part)].sizes.withLock { $0 } }
}

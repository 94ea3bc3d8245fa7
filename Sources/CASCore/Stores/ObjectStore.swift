public import SystemPackage

/// A place that keeps verified objects by name, unpacked.
///
/// Nothing that is not verified is ever visible in one. `DiskStore`, `MemoryStore` and `TieredStore` are ours; a
/// conformance suite in `CVMFSTesting` proves anyone's own right.
public protocol ObjectStore: Sendable {
    /// The object if the store has it, without waiting for anything but a local disk. Counts as a use of it.
    ///
    /// A damaged copy is dropped and counts as absent. Throws only when the store itself cannot be read.
    func cached(_ id: ObjectID) throws(CASError) -> (any StoredObject)?

    /// The object, from the store or else from `source`.
    ///
    /// Concurrent calls for the same object and size make one flight: one `source` runs, all get its result, and it is
    /// cancelled when every waiting task is. `source` must stream the object's bytes as stored (compressed) into the
    /// sink, as `ObjectTransport.fetch` does; the sink verifies, unpacks and writes, and the object becomes visible
    /// only when `finish()` has succeeded.
    ///
    /// - Parameters:
    ///   - id: hash and compression; the kind does not matter to a store.
    ///   - size: what is known of the unpacked size, in bytes.
    ///   - priority: demand overtakes prefetch; a flight has the highest of those who wait for it.
    ///   - source: runs on an executor that may block; on a hit it is not called.
    /// - Throws: `CASError`, what `source` throws, or `CancellationError`.
    func object(
        _ id: ObjectID, size: ContentSize, priority: FetchPriority,
        from source: @escaping @concurrent @Sendable (any ByteSink) async throws -> Void
    ) async throws -> any StoredObject

    /// Whether the store has the object, at the price of a look-up that neither opens it nor counts as a use.
    func contains(_ id: ObjectID) -> Bool

    /// Whether the store takes no objects: `object` then gives only what it has, and throws `readOnly` otherwise.
    var isReadOnly: Bool { get }

    /// A local folder in which programs may keep what belongs to the cache and must survive a restart, as the newest
    /// state seen of a repository does; `nil` when the store has none, or may not write.
    var stateFolder: FilePath? { get }

    /// Drops the object; what is open stays readable. Nothing happens when it is absent.
    func remove(_ id: ObjectID) throws(CASError)
}

extension ObjectStore {
    public var isReadOnly: Bool { false }

    public var stateFolder: FilePath? { nil }

    /// The object with demand priority.
    public func object(
        _ id: ObjectID, size: ContentSize = .atMost(Limits.unknownObjectBytes), priority: FetchPriority = .demand,
        _ source: @escaping @concurrent @Sendable (any ByteSink) async throws -> Void
    ) async throws -> any StoredObject {
        try await object(id, size: size, priority: priority, from: source)
    }
}

/// What is known beforehand of an object's unpacked size, in bytes.
public enum ContentSize: Sendable, Hashable {
    /// A catalog gave it; any other size is refused.
    case exactly(Int64)
    /// Nothing but a bound is known; what is longer is refused.
    case atMost(Int64)

    /// Refuses content of a size that it must not have; what a store holds is bound by it as what is fetched is.
    /// - Throws: `sizeMismatch` or `tooLarge`.
    package func check(_ size: Int64, of id: ObjectID) throws(CASError) {
        switch self {
        case .exactly(let expected) where size != expected:
            throw CASError(.sizeMismatch, "object \(id): has \(size) bytes instead of \(expected)")
        case .atMost(let limit) where size > limit:
            throw CASError(.tooLarge, "object \(id): has \(size) bytes, more than the \(limit) expected")
        default: break
        }
    }
}

/// What is waited for overtakes what is fetched ahead of need.
public enum FetchPriority: UInt8, Sendable, Hashable, Comparable {
    case prefetch = 0
    case demand = 1

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

internal import CVMFS
internal import FUSE
internal import Synchronization

/// The rows that were looked up last, by their nodes and by their names, each in the one place that its digest gives it.
///
/// What is found here is answered without a path, a row or anything else being made.
final class RecentEntries: Sendable {
    /// A row, and the catalog that has it.
    final class Located: Sendable {
        let entry: CatalogEntry
        let catalog: CatalogTree.Mounted
        /// The snapshot in which it was found.
        let view: UInt32
        /// What a lookup found out besides; absent when only the node was asked for.
        let naming: Naming?
        private let number: Atomic<UInt64>

        init(
            node: NodeID, entry: CatalogEntry, catalog: CatalogTree.Mounted, view: UInt32, naming: Naming? = nil
        ) {
            number = Atomic(node.rawValue)
            self.view = view
            self.entry = entry
            self.catalog = catalog
            self.naming = naming
        }

        var node: NodeID { NodeID(rawValue: number.load(ordering: .relaxed)) }

        /// The kernel had forgotten the node, and has it again under another number.
        func renumber(_ node: NodeID) { number.store(node.rawValue, ordering: .relaxed) }
    }

    struct Naming: Sendable {
        /// The directory's digest: the same whatever number its node has.
        let folder: UInt64
        let attributes: Attributes
        /// What makes the node; `nil` for directories, which are what they are called.
        let file: (identity: NodeIdentity, place: CatalogPlace)?
    }

    private static let shards = 8

    private final class Shard: Sendable {
        let places = Mutex([Located?](repeating: nil, count: MountLimits.keptEntries / RecentEntries.shards))

        subscript(place: Int) -> Located? { places.withLock { $0[place % $0.count] } }

        /// One of the two that share a pair of places.
        func first(of place: Int, where isIt: (Located) -> Bool) -> Located? {
            places.withLock { places in
                let index = place % places.count & ~1
                if let found = places[index], isIt(found) { return found }
                if let found = places[index + 1], isIt(found) { return found }
                return nil
            }
        }

        /// Puts one into a pair of places, from which the one that came first goes.
        func put(_ located: Located, inPair place: Int, instead isOld: (Located) -> Bool) {
            let old = places.withLock { places -> Located? in
                let index = place % places.count & ~1
                let isFirst = places[index].map(isOld) ?? true
                let old = places[isFirst ? index : index + 1]
                if !isFirst { places[index + 1] = places[index] }
                places[index] = located
                return old
            }
            _ = old
        }

        func put(_ located: Located, at place: Int) {
            // What goes is let go of outside the lock.
            let old = places.withLock { places -> Located? in
                let index = place % places.count
                let old = places[index]
                places[index] = located
                return old
            }
            _ = old
        }
    }

    private let byNode = (0..<RecentEntries.shards).map { _ in Shard() }
    private let byName = (0..<RecentEntries.shards).map { _ in Shard() }

    subscript(node: NodeID) -> Located? {
        let found = byNode[Int(node.slot) % Self.shards][Int(node.slot) / Self.shards]
        return found?.node == node ? found : nil
    }

    /// The entry of a directory, if it was looked up in this snapshot.
    ///
    /// - Parameter folder: the directory's digest.
    subscript(name: UnsafeRawBufferPointer, in folder: UInt64, view: UInt32) -> Located? {
        let digest = Self.digest(name, in: folder)
        return byName[digest % Self.shards].first(of: digest / Self.shards) { found in
            found.view == view && Self.isNamed(found, name, in: folder)
        }
    }

    func keep(_ located: Located) {
        keepNode(of: located)
        guard let naming = located.naming else { return }
        located.entry.name.bytes.withUnsafeBytes { name in
            let digest = Self.digest(name, in: naming.folder)
            byName[digest % Self.shards].put(located, inPair: digest / Self.shards) { old in
                Self.isNamed(old, name, in: naming.folder)
            }
        }
    }

    /// Its node has a number that it had not before.
    func keepNode(of located: Located) {
        let slot = Int(located.node.slot)
        byNode[slot % Self.shards].put(located, at: slot / Self.shards)
    }

    private static func isNamed(_ located: Located, _ name: UnsafeRawBufferPointer, in folder: UInt64) -> Bool {
        guard located.naming?.folder == folder else { return false }
        return located.entry.name.bytes.withUnsafeBytes { $0.count == name.count && $0.elementsEqual(name) }
    }

    private static func digest(_ name: UnsafeRawBufferPointer, in folder: UInt64) -> Int {
        Int(truncatingIfNeeded: Digest.directory(name, in: folder) >> 1)
    }
}

internal import CASCore
internal import Catalog
internal import FUSE
internal import Synchronization

/// The nodes that the kernel may know, in memory that outlives the process: 64 bytes each.
///
/// A record is complete before its number is given out, and made valid by one word that is written last; so a process
/// that is killed anywhere leaves a table that its successor can read. What only speeds things up (the index, the free
/// list, the counts of what refers to a record) is made anew from the records.
///
/// Lookup counts are hints: those of a killed process may be too high, never too low. A record is reused when its count
/// is 0 and nothing refers to it, with another generation in its number.
///
/// `@unchecked`: the records and all state are touched under `lock` only.
final class NodeTable: @unchecked Sendable {
    typealias Offset = NodeRecords.Offset

    static let root: UInt32 = 1
    /// Roots of snapshots that are remembered, for listings.
    static let views = 8

    let records: NodeRecords
    var index = NodeIndex()
    /// Backings of files that nobody has open any more.
    var closed: [ClosedBacking] = []
    /// Files that the kernel reads by itself.
    var passedThrough = 0
    private let lock = Mutex(())

    /// - Parameters:
    ///   - capacity: records at most.
    ///   - existing: the memory of a table that another process left.
    init(capacity: Int = MountLimits.nodes, existing: Int32? = nil) throws(MountError) {
        records = try NodeRecords(capacity: capacity, existing: existing)
        if existing == nil {
            records.store(Digest.root, Self.root, Offset.digest)
            records.publish(Self.root, SlotFlags(.directory))
            index.enter(Self.root, of: records)
        } else {
            adoptRecords()
        }
    }

    /// What outlives the process.
    var memory: SharedMemory { records.memory }

    // MARK: Nodes

    /// The node of a directory. Counts as a lookup.
    func directory(_ name: UnsafeRawBufferPointer, in parent: UInt32) throws(MountError) -> NodeID {
        try locked { () throws(MountError) -> NodeID in try lockedDirectory(name, in: parent, counts: 1) }
    }

    /// The record of a directory that is on the way to a node, which need not be known to the kernel.
    func folder(_ name: UnsafeRawBufferPointer, in parent: UInt32) throws(MountError) -> UInt32 {
        try locked { () throws(MountError) -> UInt32 in try lockedDirectory(name, in: parent, counts: 0).slot }
    }

    /// The node of an entry that is no directory. Counts as a lookup.
    ///
    /// - Parameter catalog: has the entry's row.
    func node(
        _ identity: NodeIdentity, in parent: UInt32, catalog: CatalogPlace, row: Int64
    ) throws(MountError) -> NodeID {
        // A row's number that does not fit is none that a publisher makes.
        guard let row = UInt32(exactly: row) else { throw MountError(.full, "row \(row) is beyond any catalog's") }
        return try locked { () throws(MountError) -> NodeID in
            var folder = parent
            for _ in 0..<catalog.levels where folder != Self.root { folder = records.load(folder, Offset.parent) }
            let catalog = try lockedCatalog(catalog.hash, size: catalog.size, mountedAt: folder)
            if let slot = find(identity) {
                records.add(1, slot, Offset.lookups)
                if records.load(slot, Offset.catalog) as UInt32 != catalog {
                    // The same entry in a newer catalog. One store, so that a kill leaves the one or the other.
                    let old: UInt32 = records.load(slot, Offset.catalog)
                    records.store(UInt64(catalog) | UInt64(row) << 32, slot, Offset.catalog)
                    records.add(1, catalog, Offset.row)
                    release(old)
                }
                return records.id(slot)
            }
            let slot: UInt32
            do throws(MountError) { slot = try records.take() } catch {
                _ = dropIfUnused(catalog)
                throw error
            }
            withUnsafeBytes(of: identity.payload) {
                records.start(of: slot).copyMemory(from: $0.baseAddress!, byteCount: 28)
            }
            records.store(identity.digest, slot, Offset.digest)
            records.store(parent, slot, Offset.parent)
            records.store(UInt32(0), slot, Offset.opening)
            records.store(UInt64(catalog) | UInt64(row) << 32, slot, Offset.catalog)
            records.store(UInt32(1), slot, Offset.lookups)
            publish(slot, identity.flags)
            records.add(1, parent, Offset.row)
            records.add(1, catalog, Offset.row)
            return records.id(slot)
        }
    }

    /// What is known of a node; `nil` when the kernel cannot mean it any more.
    func record(of node: NodeID) -> NodeRecord? {
        locked { () -> NodeRecord? in
            guard records.isValid(node) else { return nil }
            return record(node.slot)
        }
    }

    /// The inode's number of a record.
    func digest(of slot: UInt32) -> UInt64? {
        locked { () -> UInt64? in slot > 0 && slot < records.highWater ? records.digest(slot) : nil }
    }

    /// The inode's number of a directory, which is the same for the same path; `nil` when the kernel cannot mean it.
    func digest(ofFolder node: NodeID) -> UInt64? {
        locked { () -> UInt64? in
            guard records.isValid(node), records.flags(node.slot).kind == .directory else { return nil }
            return records.digest(node.slot)
        }
    }

    /// The kernel has given up lookups of a node.
    /// - Returns: whether the record went.
    func forget(_ node: NodeID, lookups: UInt64) -> Bool {
        locked { () -> Bool in
            guard records.isValid(node), node.slot != Self.root else { return false }
            let count: UInt32 = records.load(node.slot, Offset.lookups)
            let rest = UInt64(count) > lookups ? count - UInt32(lookups) : 0
            records.store(rest, node.slot, Offset.lookups)
            guard rest == 0 else { return false }
            return dropIfUnused(node.slot)
        }
    }

    /// The path of a directory's record; `nil` when it is longer than any may be.
    func path(of slot: UInt32) -> RepositoryPath? {
        guard let bytes = pathBytes(of: slot) else { return nil }
        return RepositoryPath(bytes: bytes)
    }

    private func pathBytes(of slot: UInt32) -> [UInt8]? {
        locked { () -> [UInt8]? in
            var length = 0
            var next = slot
            while next != Self.root {
                let flags = records.flags(next)
                guard next != 0, flags.kind == .directory else { return nil }
                length += flags.nameLength + 1
                guard length <= MountLimits.pathBytes else { return nil }
                next = records.load(next, Offset.parent)
            }
            return [UInt8](unsafeUninitializedCapacity: length) { buffer, count in
                var end = length
                var next = slot
                while next != Self.root {
                    let name = records.flags(next).nameLength
                    end -= name
                    records.copyName(
                        of: next,
                        to: UnsafeMutableRawBufferPointer(
                            rebasing: UnsafeMutableRawBufferPointer(buffer)[end..<(end + name)]))
                    end -= 1
                    buffer[end] = UInt8(ascii: "/")
                    next = records.load(next, Offset.parent)
                }
                count = length
            }
        }
    }

    /// The node of a directory, if there is one.
    func knownDirectory(_ name: UnsafeRawBufferPointer, in parent: UInt32) -> NodeID? {
        locked { () -> NodeID? in
            let digest = Digest.directory(name, in: records.load(parent, Offset.digest))
            return find(digest, where: { self.isDirectory($0, name, in: parent) }).map(records.id)
        }
    }

    /// Lets a node's row be that of a newer catalog, which says the same of it. Nothing happens when there is no such node.
    func move(_ identity: NodeIdentity, in parent: UInt32, to catalog: CatalogPlace, row: Int64) throws(MountError) {
        guard let row = UInt32(exactly: row) else { return }
        try locked { () throws(MountError) -> Void in
            guard let slot = find(identity) else { return }
            var folder = parent
            for _ in 0..<catalog.levels where folder != Self.root { folder = records.load(folder, Offset.parent) }
            let catalog = try lockedCatalog(catalog.hash, size: catalog.size, mountedAt: folder)
            let old: UInt32 = records.load(slot, Offset.catalog)
            if old == catalog { return }
            records.store(UInt64(catalog) | UInt64(row) << 32, slot, Offset.catalog)
            records.add(1, catalog, Offset.row)
            release(old)
        }
    }

    // MARK: Bookkeeping

    /// Records in use, those that the kernel knows, and bytes of memory.
    var usage: (records: Int, bytes: Int) {
        locked { () -> (records: Int, bytes: Int) in
            (records.used, records.size + index.size)
        }
    }

    var isNearlyFull: Bool { locked { () -> Bool in records.used > records.capacity / 8 * 7 } }

    /// Nodes in a range of records that the kernel may know, for telling it to forget them.
    func nodes(from first: Int, count: Int) -> [NodeID] {
        locked { () -> [NodeID] in
            (first..<min(first + count, Int(records.highWater))).compactMap { number in
                let slot = UInt32(number)
                guard slot > Self.root, records.flags(slot).isNode else { return nil }
                return records.id(slot)
            }
        }
    }

    /// All directories that the kernel may know, and the root.
    func directories() -> [(node: NodeID, parent: UInt32)] {
        locked { () -> [(node: NodeID, parent: UInt32)] in
            (1..<records.highWater).compactMap { slot in
                guard records.flags(slot).kind == .directory else { return nil }
                return (records.id(slot), records.load(slot, Offset.parent))
            }
        }
    }

    func name(of slot: UInt32) -> [UInt8] {
        locked { () -> [UInt8] in
            guard slot < records.highWater, records.flags(slot).kind == .directory else { return [] }
            let length = records.flags(slot).nameLength
            return [UInt8](unsafeUninitializedCapacity: length) { buffer, count in
                records.copyName(of: slot, to: UnsafeMutableRawBufferPointer(buffer))
                count = length
            }
        }
    }

    var slots: Int { locked { () -> Int in Int(records.highWater) } }

    // MARK: Records, all under the lock

    func locked<Result, Failure>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        try lock.withLock { _ throws(Failure) in try body() }
    }

    private func record(_ slot: UInt32) -> NodeRecord {
        let flags = records.flags(slot)
        let isFile = flags.kind == .file
        return NodeRecord(
            flags: flags, parent: records.load(slot, Offset.parent), catalog: records.load(slot, Offset.catalog),
            row: records.load(slot, Offset.row), digest: records.load(slot, Offset.digest),
            hash: isFile && flags.hasHash ? records.hash(of: slot) : nil, size: isFile ? records.size(slot) : 0)
    }

    private func lockedDirectory(
        _ name: UnsafeRawBufferPointer, in parent: UInt32, counts: UInt32
    ) throws(MountError) -> NodeID {
        let digest = Digest.directory(name, in: records.load(parent, Offset.digest))
        if let slot = find(digest, where: { self.isDirectory($0, name, in: parent) }) {
            records.add(counts, slot, Offset.lookups)
            return records.id(slot)
        }
        guard name.count <= 255 else { throw MountError(.full, "a name of \(name.count) bytes is too long") }
        let slot = try records.take()
        do throws(MountError) { try records.storeName(name, in: slot) } catch {
            records.giveBack(slot)
            throw error
        }
        records.store(digest, slot, Offset.digest)
        records.store(parent, slot, Offset.parent)
        records.store(UInt64(0), slot, Offset.catalog)
        records.store(counts, slot, Offset.lookups)
        publish(slot, SlotFlags(.directory, nameLength: name.count))
        records.add(1, parent, Offset.row)
        return records.id(slot)
    }

    func publish(_ slot: UInt32, _ flags: SlotFlags) {
        records.publish(slot, flags)
        index.enter(slot, of: records)
    }

    func dropIfUnused(_ slot: UInt32) -> Bool {
        let flags = records.flags(slot)
        switch flags.kind {
        case .free, .name, .opening: return false
        case .directory:
            guard slot != Self.root, records.load(slot, Offset.row) as UInt32 == 0,
                records.load(slot, Offset.lookups) as UInt32 == 0
            else { return false }
        case .catalog: guard records.load(slot, Offset.row) as UInt32 == 0 else { return false }
        case .file, .symlink, .special: guard records.load(slot, Offset.lookups) as UInt32 == 0 else { return false }
        }
        let parent: UInt32 = records.load(slot, Offset.parent)
        let catalog: UInt32 = records.load(slot, Offset.catalog)
        let opening: UInt32 = flags.kind == .file ? records.load(slot, Offset.opening) : 0
        var piece = records.pieces(of: slot)
        index.leave(slot, of: records)
        records.drop(slot)
        while piece != 0 {
            let next = records.piece(behind: piece)
            records.drop(piece)
            piece = next
        }
        if opening != 0 { letGo(opening) }
        if flags.kind != .directory, flags.kind != .catalog { release(catalog) }
        release(parent)
        return true
    }

    /// One less refers to a directory or catalog.
    func release(_ slot: UInt32) {
        guard slot != 0 else { return }
        let count: UInt32 = records.load(slot, Offset.row)
        if count > 0 && count != .max { records.store(count - 1, slot, Offset.row) }
        _ = dropIfUnused(slot)
    }

    private func isDirectory(_ slot: UInt32, _ name: UnsafeRawBufferPointer, in parent: UInt32) -> Bool {
        records.flags(slot).kind == .directory && records.load(slot, Offset.parent) as UInt32 == parent
            && records.hasName(name, slot)
    }

    private func find(_ identity: NodeIdentity) -> UInt32? {
        find(identity.digest) { slot in
            guard records.flags(slot) == identity.flags else { return false }
            return withUnsafeBytes(of: identity.payload) { payload in
                UnsafeRawBufferPointer(start: records.start(of: slot), count: 28)
                    .elementsEqual(payload.prefix(28))
            }
        }
    }

    func find(_ digest: UInt64, where isIt: (UInt32) -> Bool) -> UInt32? {
        index.find(digest, in: records, where: isIt)
    }
}

extension Digest {
    static let root: UInt64 = 1

    static func directory(_ name: UnsafeRawBufferPointer, in parent: UInt64) -> UInt64 {
        var digest = Digest()
        digest.add(parent)
        digest.add(name)
        return digest.value
    }
}

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
/// `@unchecked`: all memory behind `base` and all state is touched under `lock` only.
final class NodeTable: @unchecked Sendable {
    static let root: UInt32 = 1
    private static let magic: UInt64 = 0x4E4F_4445_5342_4C31
    static let recordBytes = 64
    private static let inlineName = 28
    private static let pieceBytes = 56
    /// Roots of snapshots that are remembered, for listings.
    private static let views = 8

    private enum Offset {
        static let flags = 28
        static let digest = 32
        static let parent = 40
        static let lookups = 44
        static let catalog = 48
        /// The row; of directories and catalogs the number of records that refer to them.
        static let row = 52
        static let generation = 56
        // Of the header, record 0.
        static let highWater = 12
        static let view = 16
        static let viewRoots = 24
    }

    let memory: SharedMemory
    let capacity: Int
    private let base: UnsafeMutableRawPointer
    private let lock = Mutex(())
    private var allocated = 0
    private var free: [UInt32] = []
    /// Open addressing: numbers of records, 0 for none, `.max` for one that is gone.
    private var index: UnsafeMutableBufferPointer<UInt32>
    private var indexed = 0
    private var used = 0

    /// - Parameters:
    ///   - capacity: records at most.
    ///   - existing: the memory of a table that another process left.
    init(capacity: Int = MountLimits.nodes, existing: Int32? = nil) throws(MountError) {
        self.capacity = capacity
        memory = try SharedMemory(
            named: "cvmfs-nodes", capacity: capacity * Self.recordBytes, existing: existing)
        base = memory.base
        index = .allocate(capacity: 1 << 12)
        index.initialize(repeating: 0)
        if existing == nil {
            try makeRoom(for: 1)
            store(Self.magic, 0, 0)
            store(UInt32(2), 0, Offset.highWater)
            store(Digest.root, Self.root, Offset.digest)
            store(SlotFlags(.directory).rawValue, Self.root, Offset.flags)
            enter(Self.root)
            used = 1
        } else {
            try makeRoom(for: 1)
            guard load(0, 0) as UInt64 == Self.magic else {
                throw MountError(.lost, "the table of nodes is none of this version")
            }
            try readAll()
        }
    }

    deinit { index.deallocate() }

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
            for _ in 0..<catalog.levels where folder != Self.root { folder = load(folder, Offset.parent) }
            let catalog = try lockedCatalog(catalog.hash, size: catalog.size, mountedAt: folder)
            if let slot = find(identity) {
                add(1, slot, Offset.lookups)
                if load(slot, Offset.catalog) as UInt32 != catalog {
                    // The same entry in a newer catalog. One store, so that a kill leaves the one or the other.
                    let old: UInt32 = load(slot, Offset.catalog)
                    store(UInt64(catalog) | UInt64(row) << 32, slot, Offset.catalog)
                    add(1, catalog, Offset.row)
                    release(old)
                }
                return id(slot)
            }
            let slot: UInt32
            do throws(MountError) { slot = try take() } catch {
                _ = dropIfUnused(catalog)
                throw error
            }
            withUnsafeBytes(of: identity.payload) {
                (base + Int(slot) * Self.recordBytes).copyMemory(from: $0.baseAddress!, byteCount: 28)
            }
            store(identity.digest, slot, Offset.digest)
            store(parent, slot, Offset.parent)
            store(UInt64(catalog) | UInt64(row) << 32, slot, Offset.catalog)
            store(UInt32(1), slot, Offset.lookups)
            publish(slot, identity.flags)
            add(1, parent, Offset.row)
            add(1, catalog, Offset.row)
            return id(slot)
        }
    }

    /// What is known of a node; `nil` when the kernel cannot mean it any more.
    func record(of node: NodeID) -> NodeRecord? {
        locked { () -> NodeRecord? in
            guard isValid(node) else { return nil }
            return record(node.slot)
        }
    }

    /// The inode's number of a record.
    func digest(of slot: UInt32) -> UInt64? {
        locked { () -> UInt64? in slot > 0 && slot < highWater ? load(slot, Offset.digest) : nil }
    }

    /// The kernel has given up lookups of a node.
    /// - Returns: whether the record went.
    func forget(_ node: NodeID, lookups: UInt64) -> Bool {
        locked { () -> Bool in
            guard isValid(node), node.slot != Self.root else { return false }
            let count: UInt32 = load(node.slot, Offset.lookups)
            let rest = UInt64(count) > lookups ? count - UInt32(lookups) : 0
            store(rest, node.slot, Offset.lookups)
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
                let flags = flags(next)
                guard next != 0, flags.kind == .directory else { return nil }
                length += flags.nameLength + 1
                guard length <= MountLimits.pathBytes else { return nil }
                next = load(next, Offset.parent)
            }
            return [UInt8](unsafeUninitializedCapacity: length) { buffer, count in
                var end = length
                var next = slot
                while next != Self.root {
                    let name = flags(next).nameLength
                    end -= name
                    copyName(
                        of: next,
                        to: UnsafeMutableRawBufferPointer(
                            rebasing: UnsafeMutableRawBufferPointer(buffer)[end..<(end + name)]))
                    end -= 1
                    buffer[end] = UInt8(ascii: "/")
                    next = load(next, Offset.parent)
                }
                count = length
            }
        }
    }

    /// The node of a directory, if there is one.
    func knownDirectory(_ name: UnsafeRawBufferPointer, in parent: UInt32) -> NodeID? {
        locked { () -> NodeID? in
            let digest = Digest.directory(name, in: load(parent, Offset.digest))
            return find(digest, where: { self.isDirectory($0, name, in: parent) }).map(id)
        }
    }

    /// Lets a node's row be that of a newer catalog, which says the same of it. Nothing happens when there is no such node.
    func move(_ identity: NodeIdentity, in parent: UInt32, to catalog: CatalogPlace, row: Int64) throws(MountError) {
        guard let row = UInt32(exactly: row) else { return }
        try locked { () throws(MountError) -> Void in
            guard let slot = find(identity) else { return }
            var folder = parent
            for _ in 0..<catalog.levels where folder != Self.root { folder = load(folder, Offset.parent) }
            let catalog = try lockedCatalog(catalog.hash, size: catalog.size, mountedAt: folder)
            let old: UInt32 = load(slot, Offset.catalog)
            if old == catalog { return }
            store(UInt64(catalog) | UInt64(row) << 32, slot, Offset.catalog)
            add(1, catalog, Offset.row)
            release(old)
        }
    }

    // MARK: Catalogs

    /// The record of a catalog, which holds as long as a node refers to it or it is a snapshot's root.
    func catalog(_ hash: ContentHash, size: Int64, mountedAt folder: UInt32) throws(MountError) -> UInt32 {
        try locked { () throws(MountError) -> UInt32 in try lockedCatalog(hash, size: size, mountedAt: folder) }
    }

    private func lockedCatalog(
        _ hash: ContentHash, size: Int64, mountedAt folder: UInt32
    ) throws(MountError) -> UInt32 {
        let digest = Self.digest(of: hash, in: folder)
        if let slot = find(digest, where: { self.isCatalog($0, hash, in: folder) }) { return slot }
        let slot = try take()
        hash.copyDigest(to: UnsafeMutableRawBufferPointer(start: base + Int(slot) * Self.recordBytes, count: 20))
        (base + Int(slot) * Self.recordBytes).storeBytes(of: size, toByteOffset: 20, as: Int64.self)
        store(digest, slot, Offset.digest)
        store(folder, slot, Offset.parent)
        store(UInt64(0), slot, Offset.catalog)
        publish(slot, SlotFlags(catalogWith: hash.algorithm))
        add(1, folder, Offset.row)
        return slot
    }

    func catalog(at slot: UInt32) -> CatalogRecord? {
        locked { () -> CatalogRecord? in
            guard slot > 0, slot < highWater, flags(slot).kind == .catalog, let hash = hash(of: slot) else {
                return nil
            }
            return CatalogRecord(
                hash: hash,
                size: (base + Int(slot) * Self.recordBytes).loadUnaligned(fromByteOffset: 20, as: Int64.self),
                folder: load(slot, Offset.parent))
        }
    }

    // MARK: Snapshots

    /// The number of the snapshot in use, and its root catalog; 0 before there is one.
    var view: (number: UInt32, root: UInt32) {
        locked { () -> (number: UInt32, root: UInt32) in
            let number: UInt32 = load(0, Offset.view)
            return (number, root(ofView: number))
        }
    }

    /// The root catalog of a snapshot of before; 0 when it is not remembered.
    func rootCatalog(ofView number: UInt32) -> UInt32 {
        locked { () -> UInt32 in
            let current: UInt32 = load(0, Offset.view)
            guard number <= current, current - number < UInt32(Self.views) else { return 0 }
            return root(ofView: number)
        }
    }

    /// Makes a root catalog that of the snapshot in use.
    func beginView(root catalog: UInt32) -> UInt32 {
        locked { () -> UInt32 in
            let number = (load(0, Offset.view) as UInt32) + 1
            let place = Offset.viewRoots + Int(number) % Self.views * 4
            let old: UInt32 = load(0, place)
            store(catalog, 0, place)
            add(1, catalog, Offset.row)
            store(number, 0, Offset.view)
            if old != 0 { release(old) }
            return number
        }
    }

    private func root(ofView number: UInt32) -> UInt32 { load(0, Offset.viewRoots + Int(number) % Self.views * 4) }

    // MARK: Bookkeeping

    /// Records in use, those that the kernel knows, and bytes of memory.
    var usage: (records: Int, bytes: Int) {
        locked { () -> (records: Int, bytes: Int) in
            (used, Int(highWater) * Self.recordBytes + index.count * 4 + free.capacity * 4)
        }
    }

    var isNearlyFull: Bool { locked { () -> Bool in used > capacity / 8 * 7 } }

    /// Nodes in a range of records that the kernel may know, for telling it to forget them.
    func nodes(from first: Int, count: Int) -> [NodeID] {
        locked { () -> [NodeID] in
            (first..<min(first + count, Int(highWater))).compactMap { number in
                let slot = UInt32(number)
                guard slot > Self.root, flags(slot).isNode else { return nil }
                return id(slot)
            }
        }
    }

    /// All directories that the kernel may know, and the root.
    func directories() -> [(node: NodeID, parent: UInt32)] {
        locked { () -> [(node: NodeID, parent: UInt32)] in
            (1..<highWater).compactMap { slot in
                guard flags(slot).kind == .directory else { return nil }
                return (id(slot), load(slot, Offset.parent))
            }
        }
    }

    func name(of slot: UInt32) -> [UInt8] {
        locked { () -> [UInt8] in
            guard slot < highWater, flags(slot).kind == .directory else { return [] }
            let length = flags(slot).nameLength
            return [UInt8](unsafeUninitializedCapacity: length) { buffer, count in
                copyName(of: slot, to: UnsafeMutableRawBufferPointer(buffer))
                count = length
            }
        }
    }

    var slots: Int { locked { () -> Int in Int(highWater) } }

    // MARK: Records, all under the lock

    private func locked<Result, Failure>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        try lock.withLock { _ throws(Failure) in try body() }
    }

    private var highWater: UInt32 { load(0, Offset.highWater) }

    private func load<Value: BitwiseCopyable>(_ slot: UInt32, _ offset: Int) -> Value {
        (base + Int(slot) * Self.recordBytes).load(fromByteOffset: offset, as: Value.self)
    }

    private func store<Value: BitwiseCopyable>(_ value: Value, _ slot: UInt32, _ offset: Int) {
        (base + Int(slot) * Self.recordBytes).storeBytes(of: value, toByteOffset: offset, as: Value.self)
    }

    private func add(_ count: UInt32, _ slot: UInt32, _ offset: Int) {
        let (sum, overflows) = (load(slot, offset) as UInt32).addingReportingOverflow(count)
        store(overflows ? .max : sum, slot, offset)
    }

    private func flags(_ slot: UInt32) -> SlotFlags { SlotFlags(rawValue: load(slot, Offset.flags)) }

    private func id(_ slot: UInt32) -> NodeID {
        NodeID(rawValue: UInt64(load(slot, Offset.generation) as UInt32) << 32 | UInt64(slot))
    }

    private func isValid(_ node: NodeID) -> Bool {
        let slot = node.slot
        return slot > 0 && slot < highWater && flags(slot).isNode && id(slot) == node
    }

    private func record(_ slot: UInt32) -> NodeRecord {
        let flags = flags(slot)
        let isFile = flags.kind == .file
        return NodeRecord(
            flags: flags, parent: load(slot, Offset.parent), catalog: load(slot, Offset.catalog),
            row: load(slot, Offset.row), digest: load(slot, Offset.digest),
            hash: isFile && flags.hasHash ? hash(of: slot) : nil,
            size: isFile ? (base + Int(slot) * Self.recordBytes).loadUnaligned(fromByteOffset: 20, as: Int64.self) : 0)
    }

    private func hash(of slot: UInt32) -> ContentHash? {
        guard let algorithm = flags(slot).algorithm else { return nil }
        let bytes = UnsafeRawBufferPointer(start: base + Int(slot) * Self.recordBytes, count: 20)
        return ContentHash(algorithm: algorithm, digest: bytes.bytes)
    }

    private func lockedDirectory(
        _ name: UnsafeRawBufferPointer, in parent: UInt32, counts: UInt32
    ) throws(MountError) -> NodeID {
        let digest = Digest.directory(name, in: load(parent, Offset.digest))
        if let slot = find(digest, where: { self.isDirectory($0, name, in: parent) }) {
            add(counts, slot, Offset.lookups)
            return id(slot)
        }
        guard name.count <= 255 else { throw MountError(.full, "a name of \(name.count) bytes is too long") }
        let slot = try take()
        let start = base + Int(slot) * Self.recordBytes
        if name.count <= Self.inlineName {
            if let bytes = name.baseAddress { start.copyMemory(from: bytes, byteCount: name.count) }
        } else {
            do throws(MountError) {
                store(try storePieces(of: name), slot, 0)
            } catch {
                free.append(slot)
                throw error
            }
        }
        store(digest, slot, Offset.digest)
        store(parent, slot, Offset.parent)
        store(UInt64(0), slot, Offset.catalog)
        store(counts, slot, Offset.lookups)
        publish(slot, SlotFlags(.directory, nameLength: name.count))
        add(1, parent, Offset.row)
        return id(slot)
    }

    /// A free record; it belongs to nobody until it is published.
    private func take() throws(MountError) -> UInt32 {
        if let slot = free.popLast() { return slot }
        let slot = highWater
        guard Int(slot) < capacity else {
            throw MountError(.full, "the mount knows \(capacity) nodes, the most that it may: see MountLimits.nodes")
        }
        try makeRoom(for: Int(slot))
        store(slot + 1, 0, Offset.highWater)
        return slot
    }

    private func makeRoom(for slot: Int) throws(MountError) {
        guard slot >= allocated else { return }
        let count = min(capacity, (slot / MountLimits.nodesOfStep + 1) * MountLimits.nodesOfStep)
        try memory.grow(to: count * Self.recordBytes)
        allocated = count
    }

    /// The record is complete: from here on it counts.
    private func publish(_ slot: UInt32, _ flags: SlotFlags) {
        atomicMemoryFence(ordering: .releasing)
        store(flags.rawValue, slot, Offset.flags)
        used += 1
        enter(slot)
    }

    private func dropIfUnused(_ slot: UInt32) -> Bool {
        let flags = flags(slot)
        switch flags.kind {
        case .free, .name: return false
        case .directory:
            guard slot != Self.root, load(slot, Offset.row) as UInt32 == 0, load(slot, Offset.lookups) as UInt32 == 0
            else { return false }
        case .catalog: guard load(slot, Offset.row) as UInt32 == 0 else { return false }
        case .file, .symlink, .special: guard load(slot, Offset.lookups) as UInt32 == 0 else { return false }
        }
        let parent: UInt32 = load(slot, Offset.parent)
        let catalog: UInt32 = load(slot, Offset.catalog)
        var piece: UInt32 =
            flags.kind == .directory && flags.nameLength > Self.inlineName ? load(slot, 0) : 0
        leave(slot)
        drop(slot)
        while piece != 0 {
            let next: UInt32 = load(piece, 60)
            drop(piece)
            piece = next
        }
        if flags.kind != .directory, flags.kind != .catalog { release(catalog) }
        release(parent)
        return true
    }

    /// One less refers to a directory or catalog.
    private func release(_ slot: UInt32) {
        guard slot != 0 else { return }
        let count: UInt32 = load(slot, Offset.row)
        if count > 0 && count != .max { store(count - 1, slot, Offset.row) }
        _ = dropIfUnused(slot)
    }

    private func drop(_ slot: UInt32) {
        store((load(slot, Offset.generation) as UInt32) &+ 1 & 0x7FFF_FFFF, slot, Offset.generation)
        store(SlotFlags(.free).rawValue, slot, Offset.flags)
        free.append(slot)
        used -= 1
    }

    // MARK: Names

    private func storePieces(of name: UnsafeRawBufferPointer) throws(MountError) -> UInt32 {
        var next: UInt32 = 0
        // The last piece first, so that each can name the one behind it.
        for start in stride(from: 0, to: name.count, by: Self.pieceBytes).reversed() {
            let piece = try take()
            let bytes = UnsafeRawBufferPointer(rebasing: name[start..<min(start + Self.pieceBytes, name.count)])
            let record = base + Int(piece) * Self.recordBytes
            record.copyMemory(from: bytes.baseAddress!, byteCount: min(28, bytes.count))
            if bytes.count > 28 {
                (record + 32).copyMemory(from: bytes.baseAddress! + 28, byteCount: bytes.count - 28)
            }
            store(next, piece, 60)
            store(SlotFlags(.name).rawValue, piece, Offset.flags)
            used += 1
            next = piece
        }
        return next
    }

    private func copyName(of slot: UInt32, to buffer: UnsafeMutableRawBufferPointer) {
        guard let start = buffer.baseAddress else { return }
        let record = base + Int(slot) * Self.recordBytes
        guard buffer.count > Self.inlineName else {
            start.copyMemory(from: record, byteCount: buffer.count)
            return
        }
        var piece: UInt32 = load(slot, 0)
        var done = 0
        while done < buffer.count, piece != 0, piece < highWater {
            let record = base + Int(piece) * Self.recordBytes
            let count = min(Self.pieceBytes, buffer.count - done)
            (start + done).copyMemory(from: record, byteCount: min(28, count))
            if count > 28 { (start + done + 28).copyMemory(from: record + 32, byteCount: count - 28) }
            done += count
            piece = load(piece, 60)
        }
    }

    private func isDirectory(_ slot: UInt32, _ name: UnsafeRawBufferPointer, in parent: UInt32) -> Bool {
        let flags = flags(slot)
        guard flags.kind == .directory, flags.nameLength == name.count, load(slot, Offset.parent) as UInt32 == parent
        else { return false }
        return withUnsafeTemporaryAllocation(byteCount: 256, alignment: 8) { buffer in
            let stored = UnsafeMutableRawBufferPointer(rebasing: buffer[..<name.count])
            copyName(of: slot, to: stored)
            return stored.elementsEqual(name)
        }
    }

    private func isCatalog(_ slot: UInt32, _ hash: ContentHash, in folder: UInt32) -> Bool {
        flags(slot).kind == .catalog && load(slot, Offset.parent) as UInt32 == folder && self.hash(of: slot) == hash
    }

    private static func digest(of hash: ContentHash, in folder: UInt32) -> UInt64 {
        var digest = Digest()
        hash.withDigest { bytes in
            digest.add(bytes.unsafeLoad(fromByteOffset: 0, as: UInt64.self))
            digest.add(bytes.unsafeLoad(fromByteOffset: 8, as: UInt64.self))
        }
        digest.add(UInt64(folder))
        return digest.value
    }

    // MARK: Index

    private func find(_ identity: NodeIdentity) -> UInt32? {
        find(identity.digest) { slot in
            guard flags(slot) == identity.flags else { return false }
            return withUnsafeBytes(of: identity.payload) { payload in
                UnsafeRawBufferPointer(start: base + Int(slot) * Self.recordBytes, count: 28)
                    .elementsEqual(payload.prefix(28))
            }
        }
    }

    private func find(_ digest: UInt64, where isIt: (UInt32) -> Bool) -> UInt32? {
        let mask = index.count - 1
        var place = Int(truncatingIfNeeded: digest) & mask
        while index[place] != 0 {
            let slot = index[place]
            if slot != .max, load(slot, Offset.digest) as UInt64 == digest, isIt(slot) { return slot }
            place = (place + 1) & mask
        }
        return nil
    }

    private func enter(_ slot: UInt32) {
        if indexed >= index.count / 4 * 3 { rebuildIndex() }
        let mask = index.count - 1
        var place = Int(truncatingIfNeeded: load(slot, Offset.digest) as UInt64) & mask
        while index[place] != 0, index[place] != .max { place = (place + 1) & mask }
        if index[place] == 0 { indexed += 1 }
        index[place] = slot
    }

    private func leave(_ slot: UInt32) {
        let mask = index.count - 1
        var place = Int(truncatingIfNeeded: load(slot, Offset.digest) as UInt64) & mask
        while index[place] != 0 {
            if index[place] == slot {
                // A place before an empty one need not be marked.
                index[place] = index[(place + 1) & mask] == 0 ? 0 : .max
                if index[place] == 0 { indexed -= 1 }
                return
            }
            place = (place + 1) & mask
        }
    }

    private func rebuildIndex() {
        let live = index.filter { $0 != 0 && $0 != .max }
        var size = index.count
        while live.count * 2 > size { size *= 2 }
        index.deallocate()
        index = .allocate(capacity: size)
        index.initialize(repeating: 0)
        indexed = 0
        for slot in live {
            let mask = index.count - 1
            var place = Int(truncatingIfNeeded: load(slot, Offset.digest) as UInt64) & mask
            while index[place] != 0 { place = (place + 1) & mask }
            index[place] = slot
            indexed += 1
        }
    }

    // MARK: After another process

    /// Makes everything anew that follows from the records, and frees those that nothing needs.
    private func readAll() throws(MountError) {
        let end = highWater
        guard Int(end) <= capacity else { throw MountError(.lost, "the table of nodes is larger than it may be") }
        try makeRoom(for: Int(end))
        var isNeeded = [Bool](repeating: false, count: Int(end))
        for slot in 1..<end where [.directory, .catalog].contains(flags(slot).kind) {
            store(UInt32(0), slot, Offset.row)
        }
        func refer(to slot: UInt32) { if slot > 0, slot < end { add(1, slot, Offset.row) } }
        for slot in 1..<end {
            let flags = flags(slot)
            switch flags.kind {
            case .free, .name: continue
            case .directory:
                if flags.nameLength > Self.inlineName {
                    var piece: UInt32 = load(slot, 0)
                    while piece > 0, piece < end, !isNeeded[Int(piece)] {
                        isNeeded[Int(piece)] = true
                        piece = load(piece, 60)
                    }
                }
            case .catalog: break
            case .file, .symlink, .special: refer(to: load(slot, Offset.catalog))
            }
            if slot != Self.root { refer(to: load(slot, Offset.parent)) }
            used += 1
            enter(slot)
        }
        for place in 0..<Self.views { refer(to: load(0, Offset.viewRoots + place * 4)) }
        for slot in (1..<end).reversed() {
            switch flags(slot).kind {
            case .free: free.append(slot)
            case .name:
                used += 1
                if !isNeeded[Int(slot)] { drop(slot) }
            case .catalog: _ = dropIfUnused(slot)
            case .directory, .file, .symlink, .special: break
            }
        }
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

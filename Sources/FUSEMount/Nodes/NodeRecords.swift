internal import CASCore
internal import CMount
internal import FUSE
internal import Synchronization

/// The records of a table of nodes: where in the memory what stands, and which are free.
///
/// A record is 64 bytes. It is complete before one word, its flags, makes it valid; so a process that is killed anywhere
/// leaves records that its successor can read. Everything here is used under the table's lock.
final class NodeRecords {
    static let bytes = 64
    static let inlineName = 28
    private static let magic: UInt64 = 0x4E4F_4445_5342_4C31
    private static let pieceBytes = 56

    enum Offset {
        static let flags = 28
        static let digest = 32
        static let parent = 40
        static let lookups = 44
        static let catalog = 48
        /// The row; of directories and catalogs the number of records that refer to them.
        static let row = 52
        static let generation = 56
        /// Of a file that is open: the record that says how.
        static let opening = 60
        // Of the record of a file that is open; its flags and lookups (opens) are where others have them.
        static let backing = 0
        static let node = 4
        // Of the header, record 0.
        static let highWater = 12
        static let view = 16
        static let viewRoots = 24
    }

    let memory: SharedMemory
    let capacity: Int
    private let base: UnsafeMutableRawPointer
    private var allocated = 0
    private var free: [UInt32] = []
    /// Records that are not free.
    var used = 0

    /// - Parameter existing: the memory that another process left.
    init(capacity: Int, existing: Int32?) throws(MountError) {
        self.capacity = capacity
        memory = try SharedMemory(named: "cvmfs-nodes", capacity: capacity * Self.bytes, existing: existing)
        base = memory.base
        try makeRoom(for: 1)
        if existing == nil {
            store(Self.magic, 0, 0)
            store(UInt32(2), 0, Offset.highWater)
        } else {
            guard load(0, 0) as UInt64 == Self.magic else {
                throw MountError(.lost, "the table of nodes is none of this version")
            }
            guard Int(highWater) <= capacity else {
                throw MountError(.lost, "the table of nodes is larger than it may be")
            }
            try makeRoom(for: Int(highWater))
        }
    }

    /// Bytes of memory in use.
    var size: Int { Int(highWater) * Self.bytes + free.capacity * 4 }

    // MARK: Words

    /// Numbers from here on were never used.
    var highWater: UInt32 { load(0, Offset.highWater) }

    func start(of slot: UInt32) -> UnsafeMutableRawPointer { base + Int(slot) * Self.bytes }

    /// The type must be named by the caller: an optional one would read the byte behind the word, too.
    func load<Value: BitwiseCopyable>(_ slot: UInt32, _ offset: Int) -> Value {
        start(of: slot).load(fromByteOffset: offset, as: Value.self)
    }

    func store<Value: BitwiseCopyable>(_ value: Value, _ slot: UInt32, _ offset: Int) {
        start(of: slot).storeBytes(of: value, toByteOffset: offset, as: Value.self)
    }

    /// Counts that reach the end stay there: then nothing goes any more.
    func add(_ count: UInt32, _ slot: UInt32, _ offset: Int) {
        let (sum, overflows) = (load(slot, offset) as UInt32).addingReportingOverflow(count)
        store(overflows ? .max : sum, slot, offset)
    }

    func flags(_ slot: UInt32) -> SlotFlags { SlotFlags(rawValue: load(slot, Offset.flags)) }

    func id(_ slot: UInt32) -> NodeID {
        NodeID(rawValue: UInt64(load(slot, Offset.generation) as UInt32) << 32 | UInt64(slot))
    }

    func isValid(_ node: NodeID) -> Bool {
        let slot = node.slot
        return slot > 0 && slot < highWater && flags(slot).isNode && id(slot) == node
    }

    func digest(_ slot: UInt32) -> UInt64 { load(slot, Offset.digest) }

    /// Of files and catalogs.
    func size(_ slot: UInt32) -> Int64 { start(of: slot).loadUnaligned(fromByteOffset: 20, as: Int64.self) }

    func hash(of slot: UInt32) -> ContentHash? {
        guard let algorithm = flags(slot).algorithm else { return nil }
        let bytes = UnsafeRawBufferPointer(start: start(of: slot), count: 20)
        return ContentHash(algorithm: algorithm, digest: bytes.bytes)
    }

    // MARK: Taking and giving

    /// A free record; it belongs to nobody until it is published.
    func take() throws(MountError) -> UInt32 {
        if let slot = free.popLast() { return slot }
        let slot = highWater
        guard Int(slot) < capacity else {
            throw MountError(.full, "the mount knows \(capacity) nodes, the most that it may: see MountLimits.nodes")
        }
        try makeRoom(for: Int(slot))
        store(slot + 1, 0, Offset.highWater)
        return slot
    }

    func makeRoom(for slot: Int) throws(MountError) {
        guard slot >= allocated else { return }
        let count = min(capacity, (slot / MountLimits.nodesOfStep + 1) * MountLimits.nodesOfStep)
        try memory.grow(to: count * Self.bytes)
        allocated = count
        // So many new nodes are a walk, which has opened and closed many catalogs: their pages lie free in the heap.
        cmount_give_back_memory()
    }

    /// The record is complete: from here on it counts.
    func publish(_ slot: UInt32, _ flags: SlotFlags) {
        atomicMemoryFence(ordering: .releasing)
        store(flags.rawValue, slot, Offset.flags)
        used += 1
    }

    /// Gives back a record that was never published, or one that another process left free.
    func giveBack(_ slot: UInt32) { free.append(slot) }

    /// Gives back a record; its number is another one when it is used again.
    func drop(_ slot: UInt32) {
        store((load(slot, Offset.generation) as UInt32) &+ 1 & 0x7FFF_FFFF, slot, Offset.generation)
        store(SlotFlags(.free).rawValue, slot, Offset.flags)
        free.append(slot)
        used -= 1
    }

    // MARK: Names of directories

    /// The first piece of a name that does not fit into its record; 0 for one that does.
    func pieces(of slot: UInt32) -> UInt32 {
        flags(slot).kind == .directory && flags(slot).nameLength > Self.inlineName ? load(slot, 0) : 0
    }

    func piece(behind piece: UInt32) -> UInt32 { load(piece, Self.pieceBytes + 4) }

    func storeName(_ name: UnsafeRawBufferPointer, in slot: UInt32) throws(MountError) {
        if name.count > Self.inlineName {
            store(try storePieces(of: name), slot, 0)
        } else if let bytes = name.baseAddress {
            start(of: slot).copyMemory(from: bytes, byteCount: name.count)
        }
    }

    private func storePieces(of name: UnsafeRawBufferPointer) throws(MountError) -> UInt32 {
        var next: UInt32 = 0
        // The last piece first, so that each can name the one behind it.
        for first in stride(from: 0, to: name.count, by: Self.pieceBytes).reversed() {
            let piece = try take()
            let bytes = UnsafeRawBufferPointer(rebasing: name[first..<min(first + Self.pieceBytes, name.count)])
            let record = start(of: piece)
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

    func copyName(of slot: UInt32, to buffer: UnsafeMutableRawBufferPointer) {
        guard let room = buffer.baseAddress else { return }
        let record = start(of: slot)
        guard buffer.count > Self.inlineName else {
            room.copyMemory(from: record, byteCount: buffer.count)
            return
        }
        var piece: UInt32 = load(slot, 0)
        var done = 0
        while done < buffer.count, piece != 0, piece < highWater {
            let record = start(of: piece)
            let count = min(Self.pieceBytes, buffer.count - done)
            (room + done).copyMemory(from: record, byteCount: min(28, count))
            if count > 28 { (room + done + 28).copyMemory(from: record + 32, byteCount: count - 28) }
            done += count
            piece = load(piece, 60)
        }
    }

    func hasName(_ name: UnsafeRawBufferPointer, _ slot: UInt32) -> Bool {
        guard flags(slot).nameLength == name.count else { return false }
        return withUnsafeTemporaryAllocation(byteCount: 256, alignment: 8) { buffer in
            let stored = UnsafeMutableRawBufferPointer(rebasing: buffer[..<name.count])
            copyName(of: slot, to: stored)
            return stored.elementsEqual(name)
        }
    }
}

internal import CPlatform
internal import Synchronization
internal import SystemPackage

/// How much a store holds.
public struct StoreUsage: Sendable, Hashable {
    /// Bytes on the disk: what objects hold, each rounded up to whole blocks of 4 KiB, one at least.
    public var size: ByteCount
    public var objects: Int64

    public init(size: ByteCount, objects: Int64) {
        self.size = size
        self.objects = objects
    }

    static func += (left: inout Self, right: Self) {
        left.size = .bytes(left.size.bytes + right.size.bytes)
        left.objects += right.objects
    }
}

/// Bytes and objects in each of the 256 folders, shared by all processes that use a cache: the file `usage`.
///
/// An object is counted before it gets its name and discounted after it has lost it, so that a process that is killed
/// leaves the counters too high, never too low; whoever scans a folder sets them right. The file is read and written
/// under a lock instead of mapped: a mapped page of a damaged or full file system kills the process that touches it.
///
/// `0 "CVUSAGE1" · 8 boot · 24 generation of the pins · 32 flags · 4096 the folders, bytes and objects each`; native
/// byte order, since the file never leaves the machine.
final class UsageCounters: Sendable {
    /// Why the counters may be wrong by more than a few objects.
    enum Doubt: UInt64 {
        case none = 0
        /// The system has started anew: after a power failure the last counts may be lost.
        case restart = 1
        /// The file was missing or not whole.
        case unknown = 2
    }

    enum Reservation {
        case made(StoreUsage)
        /// It would pass the limit by so many bytes; nothing was counted.
        case full(excess: Int64)
    }

    fileprivate struct Slot: BitwiseCopyable, Sendable {
        var bytes: Int64 = 0
        var objects: Int64 = 0

        /// Another process may have written nonsense; within these bounds no sum overflows.
        var bounded: Slot {
            Slot(bytes: min(max(0, bytes), mostBytes), objects: min(max(0, objects), mostBytes))
        }
    }

    private static let magic: UInt64 = 0x3145_4741_5355_5643
    private static let slotsOffset: Int64 = 4096
    private static let byteCount = 8192
    /// What no folder can hold; a counter above it is not whole.
    private static let mostBytes: Int64 = 1 << 52
    /// More than any object; so that the sum of all objects of a cache is far below 63 bits, whatever is in its folder.
    private static let mostObjectBytes: Int64 = 1 << 40
    /// Blocks that a file of 4 KiB fills on any file system we know.
    private static let block: Int64 = 4096

    private struct State {
        let file: Int32
        /// A second descriptor of the lock `storing`, with which it is found out whether any process stores.
        let probe: Int32
    }

    /// The lock `storing` is held, shared, while an object of this process is counted and not yet named.
    private struct Storing {
        let lock: Int32
        var unnamed = 0
    }

    private let path: FilePath
    /// The lock keeps the threads of this process apart; the file's own lock, the processes.
    private let state: Mutex<State>
    /// Taken inside the other lock where both are; alone when an object has got its name, which then waits for nobody's
    /// reading and writing.
    private let storing: Mutex<Storing>

    init(in folder: CacheFolder) throws(CASError) {
        path = folder.path.appending("usage")
        guard folder.isWritable else {
            var opened = cplatform_open_file(folder.descriptor, "usage", 0)
            if opened >= 0, try !Self.isWhole(opened, path) {
                cplatform_close(opened)
                opened = -1
            }
            state = Mutex(State(file: opened, probe: -1))
            storing = Mutex(Storing(lock: -1))
            return
        }
        let opened = try Self.openFile(folder)
        var locks: [Int32] = []
        do throws(CASError) {
            for _ in 0..<2 {
                let lock = CacheFolder.Lock.storing.rawValue
                locks.append(try CacheFolder.open(lock, in: folder.descriptor, folder.path))
            }
        } catch {
            for file in locks + [opened] { cplatform_close(file) }
            throw error
        }
        state = Mutex(State(file: opened, probe: locks[0]))
        storing = Mutex(Storing(lock: locks[1]))
        try exclusively { file throws(CASError) in
            var header: [UInt64] = try Self.read(file, at: 0, count: 5, path)
            let boot = folder.boot
            if header[1] == boot.first, header[2] == boot.second { return }
            header[4] = max(header[4], Doubt.restart.rawValue)
            (header[1], header[2]) = (boot.first, boot.second)
            try Self.write(file, at: 0, header, path)
        }
    }

    deinit {
        state.withLock { state in
            for file in [state.file, state.probe] where file >= 0 { cplatform_close(file) }
        }
        storing.withLock { if $0.lock >= 0 { cplatform_close($0.lock) } }
    }

    /// False for a folder that is only read and has no good counters.
    var areKnown: Bool { state.withLock { $0.file >= 0 } }

    /// What an object of some size counts for, in bytes.
    static func charge(_ size: Int64) -> Int64 {
        let size = min(max(size, 1), mostObjectBytes)
        return (size + block - 1) / block * block
    }

    var total: StoreUsage {
        get throws(CASError) {
            try exclusively { file throws(CASError) in
                Self.sum(try Self.slots(file, at: Self.slotsOffset, count: 256, path))
            }
        }
    }

    /// Counts an object that is about to get its name. `settle` must follow, whatever becomes of it.
    /// - Parameter limit: the most that all may come to; `nil` counts in any case.
    func reserve(_ charge: Int64, in folder: UInt8, limit: Int64?) throws(CASError) -> Reservation {
        try exclusively { file throws(CASError) in
            var (slot, total) = try Self.slotAndSum(file, folder, path)
            let used = total.size.bytes
            if let limit, used > limit - charge { return .full(excess: used - (limit - charge)) }
            try beginStoring()
            slot.bytes += charge
            slot.objects += 1
            do throws(CASError) { try Self.write(file, slot: folder, slot, path) } catch {
                endStoring()
                throw error
            }
            total += StoreUsage(size: .bytes(charge), objects: 1)
            return .made(total)
        }
    }

    private func beginStoring() throws(CASError) {
        try storing.withLock { storing throws(CASError) in
            if storing.unnamed == 0 {
                let locked = cplatform_lock(storing.lock, 0, 1)
                if locked < 0 { throw CASError(system: locked, "cache file \(path): cannot be locked") }
            }
            storing.unnamed += 1
        }
    }

    private func endStoring() {
        storing.withLock { storing in
            storing.unnamed -= 1
            if storing.unnamed == 0 { _ = cplatform_unlock(storing.lock) }
        }
    }

    /// The object that was counted has its name, or never gets it.
    func settle(_ charge: Int64, in folder: UInt8, isNamed: Bool) throws(CASError) {
        // Afterwards, so that no scan takes the time between for a quiet one.
        defer { endStoring() }
        if !isNamed { try release(charge, in: folder) }
    }

    /// Discounts objects that have lost their names.
    func release(_ charge: Int64, objects: Int64 = 1, in folder: UInt8) throws(CASError) {
        try exclusively { file throws(CASError) in
            let slots = try Self.slots(file, at: Self.slot(folder), count: 1, path)
            let slot = Slot(bytes: max(0, slots[0].bytes - charge), objects: max(0, slots[0].objects - objects))
            try Self.write(file, slot: folder, slot, path)
        }
    }

    /// What a folder's counters said at the start of a scan.
    struct Baseline: Sendable {
        fileprivate let counted: Slot
        fileprivate let isQuiet: Bool
    }

    func baseline(of folder: UInt8) throws(CASError) -> Baseline {
        try withState { state throws(CASError) in
            let isQuiet = cplatform_lock(state.probe, 1, 0) >= 0
            defer { if isQuiet { _ = cplatform_unlock(state.probe) } }
            let slots = try Self.slots(state.file, at: Self.slot(folder), count: 1, path)
            return Baseline(counted: slots[0], isQuiet: isQuiet)
        }
    }

    /// Sets a folder's counters to what a scan has found, if nothing was being stored when it began nor since:
    /// otherwise nobody can say what of that the scan has seen. Nothing may be removed during the scan.
    /// - Parameter insists: whether to set them in any case, about right.
    func correct(_ folder: UInt8, found: StoreUsage, since baseline: Baseline, insists: Bool) throws(CASError) {
        try withState { state throws(CASError) in
            let now = try Self.slots(state.file, at: Self.slot(folder), count: 1, path)[0]
            let (bytes, objects) = (now.bytes - baseline.counted.bytes, now.objects - baseline.counted.objects)
            let isQuiet = baseline.isQuiet && bytes == 0 && objects == 0
            guard isQuiet || insists else { return }
            let slot = Slot(bytes: max(0, found.size.bytes + bytes), objects: max(0, found.objects + objects))
            if slot.bytes == now.bytes, slot.objects == now.objects { return }
            try Self.write(state.file, slot: folder, slot, path)
        }
    }

    /// Grows when a pin is set, so that whoever evicts sees that its list of pins is old.
    func pinsGeneration() throws(CASError) -> UInt64 {
        try exclusively { file throws(CASError) in
            let header: [UInt64] = try Self.read(file, at: 24, count: 1, path)
            return header[0]
        }
    }

    func announcePin() throws(CASError) {
        try exclusively { file throws(CASError) in
            let header: [UInt64] = try Self.read(file, at: 24, count: 1, path)
            try Self.write(file, at: 24, [header[0] &+ 1], path)
        }
    }

    var doubt: Doubt {
        get throws(CASError) {
            try exclusively { file throws(CASError) in
                let header: [UInt64] = try Self.read(file, at: 32, count: 1, path)
                return Doubt(rawValue: header[0]) ?? .unknown
            }
        }
    }

    /// All folders have been scanned.
    func clearDoubt() throws(CASError) {
        try exclusively { file throws(CASError) in
            try Self.write(file, at: 32, [Doubt.none.rawValue], path)
        }
    }

    // MARK: The file

    private static func openFile(_ folder: CacheFolder) throws(CASError) -> Int32 {
        let name = "usage"
        // A second turn when the file was not whole and has been removed, or another process was faster.
        while true {
            let file = cplatform_open_file(folder.descriptor, name, 1)
            if file >= 0 {
                if try isWhole(file, folder.path.appending(name)) { return file }
                cplatform_close(file)
                _ = cplatform_remove_file(folder.descriptor, name)
            } else if file != -Errno.noSuchFileOrDirectory.rawValue {
                throw CASError(system: file, "cache file \(folder.path)/\(name): cannot be opened", writes: true)
            }
            var header = [UInt64](repeating: 0, count: byteCount / 8)
            header[0] = magic
            (header[1], header[2]) = (folder.boot.first, folder.boot.second)
            // Above zero and different each time, lest someone who evicts takes a new file for the one it knows.
            header[3] = .random(in: 1 ... .max / 2)
            header[4] = Doubt.unknown.rawValue
            var new = try UnfinishedFile(in: folder, place: "txn")
            try write(new.descriptor, at: 0, header, folder.path)
            let published = new.publish(as: name)
            if published < 0, published != -Errno.fileExists.rawValue {
                throw CASError(system: published, "cache file \(folder.path)/\(name): cannot be made", writes: true)
            }
        }
    }

    private static func isWhole(_ file: Int32, _ path: FilePath) throws(CASError) -> Bool {
        var status = cplatform_status()
        guard cplatform_status_of(file, &status) >= 0, status.size == byteCount else { return false }
        let header: [UInt64] = try read(file, at: 0, count: 1, path)
        let slots: [Slot] = try read(file, at: slotsOffset, count: 256, path)
        return header[0] == magic
            && slots.allSatisfy { (0...mostBytes).contains($0.bytes) && (0...mostBytes).contains($0.objects) }
    }

    private func exclusively<Result>(_ body: (Int32) throws(CASError) -> Result) throws(CASError) -> Result {
        try withState { state throws(CASError) in try body(state.file) }
    }

    private func withState<Result>(_ body: (inout State) throws(CASError) -> Result) throws(CASError) -> Result {
        try state.withLock { state throws(CASError) in
            let locked = cplatform_lock(state.file, 1, 1)
            if locked < 0 { throw CASError(system: locked, "cache file \(path): cannot be locked") }
            defer { _ = cplatform_unlock(state.file) }
            return try body(&state)
        }
    }

    private static func slot(_ folder: UInt8) -> Int64 { slotsOffset + Int64(folder) * 16 }

    /// One folder's counters and the sum of all, without an array: this is done for every object, one thread at a time.
    private static func slotAndSum(
        _ file: Int32, _ folder: UInt8, _ path: FilePath
    ) throws(CASError) -> (slot: Slot, sum: StoreUsage) {
        let wanted = Int64(256 * MemoryLayout<Slot>.stride)
        let read = withUnsafeTemporaryAllocation(of: Slot.self, capacity: 256) { buffer in
            let count = cplatform_read_at(file, buffer.baseAddress, wanted, slotsOffset)
            var sum = Slot()
            // What was not read is not looked at.
            guard count == wanted else { return (count: count, slot: sum, sum: sum) }
            for slot in buffer {
                sum.bytes += slot.bounded.bytes
                sum.objects += slot.bounded.objects
            }
            return (count: count, slot: buffer[Int(folder)].bounded, sum: sum)
        }
        try check(read.count, of: wanted, path)
        return (read.slot, StoreUsage(size: .bytes(read.sum.bytes), objects: read.sum.objects))
    }

    private static func sum(_ slots: [Slot]) -> StoreUsage {
        var (bytes, objects) = (Int64(0), Int64(0))
        for slot in slots {
            bytes += slot.bytes
            objects += slot.objects
        }
        return StoreUsage(size: .bytes(bytes), objects: objects)
    }

    private static func slots(
        _ file: Int32, at offset: Int64, count: Int, _ path: FilePath
    ) throws(CASError) -> [Slot] {
        let slots: [Slot] = try read(file, at: offset, count: count, path)
        return slots.map(\.bounded)
    }

    private static func read<Value: BitwiseCopyable>(
        _ file: Int32, at offset: Int64, count: Int, _ path: FilePath
    ) throws(CASError) -> [Value] {
        var result: Int64 = 0
        let wanted = Int64(count * MemoryLayout<Value>.stride)
        let values = [Value](unsafeUninitializedCapacity: count) { buffer, initialized in
            result = cplatform_read_at(file, buffer.baseAddress, wanted, offset)
            initialized = result == wanted ? count : 0
        }
        try check(result, of: wanted, path)
        return values
    }

    /// Judges what a read has given.
    private static func check(_ result: Int64, of wanted: Int64, _ path: FilePath) throws(CASError) {
        if result < 0 { throw CASError(system: Int32(result), "cache file \(path): cannot be read") }
        guard result == wanted else {
            throw CASError(.damagedCache, "cache file \(path): is too short; remove it while no program uses the cache")
        }
    }

    private static func write<Value: BitwiseCopyable>(
        _ file: Int32, at offset: Int64, _ values: [Value], _ path: FilePath
    ) throws(CASError) {
        let result = values.withUnsafeBytes {
            cplatform_write_at(file, $0.baseAddress, Int64($0.count), offset)
        }
        if result < 0 { throw CASError(system: result, "cache file \(path): cannot be written", writes: true) }
    }

    private static func write(_ file: Int32, slot folder: UInt8, _ value: Slot, _ path: FilePath) throws(CASError) {
        try write(file, at: slot(folder), [value], path)
    }
}

internal import CPlatform
internal import Synchronization
internal import SystemPackage

/// Makes room in a cache: the objects that were not used for the longest time go, never one that is open or pinned.
///
/// One at a time evicts, of all processes. What is open is locked by those who have it open, so an object that can be
/// locked exclusively is in nobody's hands.
final class Evictor: Sendable {
    /// Objects looked at to find where to cut: the estimate is then good to about a hundredth.
    private static let sampleCount = 8192
    /// Names taken away with the lock held once: pinning waits no longer than that.
    private static let stepCount = 64
    /// Bytes written between two looks at the disk's free space.
    private static let spaceInterval: Int64 = 4 << 20
    /// How often one writer makes room for one write; other processes may fill the disk as fast.
    private static let mostAttempts = 64
    /// Turns of one eviction, each with a later cut; the last one takes whatever can go.
    private static let mostTurns = 8

    let policy: EvictionPolicy
    private let folder: CacheFolder
    private let usage: UsageCounters
    private let pins: PinFolder
    private let counters: StoreCounters
    private let isRunning = Atomic<Bool>(false)
    /// How much of the store is pinned, as of the last look.
    private let pinnedBytes = Atomic<Int64>(0)
    /// What the store held when an eviction found nothing that could go; 0 when the last one found something. Looking
    /// again for every object that is stored would cost far more than storing it.
    private let futileMark = Atomic<Int64>(0)
    private let writtenSinceLook = Atomic<Int64>(0)

    init(
        _ folder: CacheFolder, _ usage: UsageCounters, _ pins: PinFolder, _ counters: StoreCounters,
        limit: ByteCount, reserve: ByteCount?
    ) {
        self.folder = folder
        self.usage = usage
        self.pins = pins
        self.counters = counters
        var space = cplatform_space()
        let isKnown = cplatform_space_of(folder.descriptor, &space) >= 0
        let reserve = reserve?.bytes ?? (isKnown ? EvictionPolicy.defaultReserve(ofDisk: space.total) : 0)
        policy = EvictionPolicy(limit: limit.bytes, reserve: reserve)
    }

    // MARK: When

    /// The most that may be stored now: more than the limit where pins and open objects leave no other way.
    var limit: Int64 {
        let limit = policy.limit(pinned: pinnedBytes.load(ordering: .relaxed))
        let futile = futileMark.load(ordering: .relaxed)
        return futile == 0 ? limit : max(limit, futile + policy.patience)
    }

    /// The largest object that is kept though it is not pinned.
    var largestObject: Int64 { policy.largestObject(pinned: pinnedBytes.load(ordering: .relaxed)) }

    /// Starts an eviction in the background when it is time for one.
    /// - Parameters:
    ///   - bytes: how many were just written.
    ///   - total: what the store holds now.
    func noteWritten(_ bytes: Int64, total: StoreUsage) {
        var isDue = total.size.bytes > policy.startMark(pinned: pinnedBytes.load(ordering: .relaxed))
        if writtenSinceLook.add(bytes, ordering: .relaxed).newValue >= Self.spaceInterval {
            writtenSinceLook.store(0, ordering: .relaxed)
            var space = cplatform_space()
            if cplatform_space_of(folder.descriptor, &space) >= 0, space.available < policy.reserve { isDue = true }
        }
        let futile = futileMark.load(ordering: .relaxed)
        if isDue, futile == 0 || total.size.bytes > futile + policy.patience { startUpkeep() }
    }

    /// Counts anew in the background when nobody knows what the folder holds.
    func startUpkeep() {
        guard isRunning.compareExchange(expected: false, desired: true, ordering: .acquiringAndReleasing).exchanged
        else { return }
        Task(executorPreference: BlockingPool.shared, priority: .utility) { [self] in
            // Whoever holds the lock is at it. What fails here fails again, and is reported, where room is needed.
            _ = try? folder.withLock(.eviction, waits: false) { () throws(CASError) in try makeRoomLocked(.upkeep) }
            isRunning.store(false, ordering: .releasing)
        }
    }

    /// Makes room now, on the calling thread.
    /// - Returns: whether there may be enough room now. False: nothing can be evicted.
    func makeRoom(for need: EvictionPolicy.Need) throws(CASError) -> Bool {
        let hasMade = try folder.withLock(.eviction, waits: false) { () throws(CASError) in try makeRoomLocked(need) }
        if let hasMade { return hasMade }
        // Another is at it, and nothing is better than waiting for what it frees. For a full disk that must do: if each
        // of many writers went on to evict, they would evict everything.
        return try folder.withLock(.eviction) { () throws(CASError) in
            if case .fullDisk = need { return true }
            return try makeRoomLocked(need)
        } ?? true
    }

    /// Does something that writes, and again after an eviction as long as the disk is full and something can be
    /// evicted. It must hold no lock of the folder.
    /// - Throws: what `body` throws; `noSpace` only when nothing can be evicted.
    func retryingWhenFull<Result: ~Copyable>(
        _ body: () throws(CASError) -> Result
    ) throws(CASError) -> Result {
        // Some file systems give back what was deleted only when their journal is written; evicting more before that
        // would be for nothing.
        var mayBeInJournal = false
        for _ in 0..<Self.mostAttempts {
            do throws(CASError) { return try body() } catch {
                guard error.code == .noSpace else { throw error }
                if mayBeInJournal {
                    mayBeInJournal = false
                    _ = cplatform_sync_file_system(folder.descriptor)
                } else {
                    guard try makeRoom(for: .fullDisk) else { throw noSpace(error) }
                    mayBeInJournal = true
                }
            }
        }
        do throws(CASError) { return try body() } catch { throw error.code == .noSpace ? noSpace(error) : error }
    }

    private func noSpace(_ cause: CASError) -> CASError {
        CASError(
            .noSpace,
            "cache folder \(folder.path): the disk is full, and what is left in the cache is in use; free space on that "
                + "disk", errno: cause.errno, cause: cause)
    }

    // MARK: How

    /// - Returns: whether there may be enough room now.
    private func makeRoomLocked(_ need: EvictionPolicy.Need) throws(CASError) -> Bool {
        let doubt = try usage.doubt
        if doubt != .none {
            let insists = doubt == .unknown
            for number in ObjectFolder.all { _ = try number.scan(folder, correcting: usage, insists: insists) }
            try usage.clearDoubt()
        }
        var pinned = try PinnedObjects(pins, usage)
        // Always beginning with the same folder would be unfair to what is in it.
        let start = UInt8.random(in: 0 ... .max)
        var sample = pinned.isEmpty ? nil : try look(from: start, pinned)
        let pinnedSize = sample?.pinned ?? 0
        pinnedBytes.store(pinnedSize, ordering: .relaxed)
        let before = try usage.total.size.bytes
        var space = cplatform_space()
        let isKnown = cplatform_space_of(folder.descriptor, &space) >= 0
        let goal = policy.bytesToFree(
            for: need, used: before, pinned: pinnedSize, available: isKnown ? space.available : nil,
            availableFiles: isKnown && space.available_files >= 0 ? space.available_files : nil)
        // Another may have made it already.
        if goal <= 0 { return true }
        var freed: Int64 = 0
        var cut = Int64.min
        var kept: Int64 = 0
        for turn in 0..<Self.mostTurns {
            let seen: EvictionSample
            if let sample { seen = sample } else { seen = try look(from: start, pinned) }
            sample = nil
            // Objects in use do not go, and a sample is an estimate: when both left something missing, the cut steps
            // over what was kept and takes in the next oldest, twice as much as is missing with every turn.
            let missing = (goal - freed) << Int64(turn)
            cut = turn == Self.mostTurns - 1 ? .max : max(cut, seen.cut(freeing: missing + kept))
            kept = 0
            for number in ObjectFolder.all where freed < goal {
                let number = ObjectFolder(number: number.number &+ start)
                let swept = try sweep(number, cut: cut, goal: goal - freed, &pinned)
                freed += swept.freed
                kept += swept.kept
            }
            if freed >= goal || cut == .max { break }
        }
        let after = try usage.total.size.bytes
        futileMark.store(freed == 0 ? after : 0, ordering: .relaxed)
        // Setting counters right makes room too.
        return freed > 0 || after < before
    }

    /// Looks at folders until enough is known of when the store's objects were used.
    private func look(from start: UInt8, _ pinned: PinnedObjects) throws(CASError) -> EvictionSample {
        var sample = EvictionSample()
        for number in ObjectFolder.all where sample.count < Self.sampleCount {
            for object in try ObjectFolder(number: number.number &+ start).scan(folder, correcting: usage) {
                let charge = UsageCounters.charge(object.size)
                sample.add(accessed: object.accessed, charge: charge, isPinned: pinned.contains(object.id))
            }
            sample.folders += 1
        }
        return sample
    }

    /// Evicts from one folder what was last used up to the cut, until the goal is reached.
    /// - Returns: bytes that came free, and bytes up to the cut that stayed, in use mostly.
    private func sweep(
        _ number: ObjectFolder, cut: Int64, goal: Int64, _ pinned: inout PinnedObjects
    ) throws(CASError) -> (freed: Int64, kept: Int64) {
        var victims = try number.scan(folder, correcting: usage)[...].filter {
            $0.accessed <= cut && !pinned.contains($0.id)
        }[...]
        let found = victims.reduce(0) { $0 + UsageCounters.charge($1.size) }
        var freed: Int64 = 0
        while !victims.isEmpty, freed < goal {
            let step = victims.prefix(Self.stepCount)
            victims = victims.dropFirst(Self.stepCount)
            freed += try removeStep(step, in: number, cut: cut, goal: goal - freed, &pinned)
        }
        return (freed, max(0, found - freed))
    }

    private func removeStep(
        _ step: ArraySlice<ObjectFolder.Entry>, in number: ObjectFolder, cut: Int64, goal: Int64,
        _ pinned: inout PinnedObjects
    ) throws(CASError) -> Int64 {
        var files: [Int32] = []
        // The blocks of a file come free when it is closed, which may take long; the lock is given back before.
        defer { for file in files { cplatform_close(file) } }
        var freed: Int64 = 0
        _ = try folder.withLock(.removal) { () throws(CASError) in
            try pinned.refresh(pins, usage)
            var objects: Int64 = 0
            for victim in step where freed < goal && !pinned.contains(victim.id) {
                let name = ObjectName(victim.id)
                let file = name.withPointer { cplatform_open_file(folder.descriptor, $0, 0) }
                guard file >= 0 else { continue }
                files.append(file)
                var status = cplatform_status()
                guard cplatform_lock(file, 1, 0) >= 0, cplatform_status_of(file, &status) >= 0,
                    status.is_regular != 0, status.accessed <= cut,
                    name.withPointer({ cplatform_remove_file(folder.descriptor, $0) }) >= 0
                else { continue }
                folder.removeCheck(victim.id)
                freed += UsageCounters.charge(status.size)
                objects += 1
            }
            if objects == 0 { return }
            try usage.release(freed, objects: objects, in: number.number)
            counters.evictedObjects.add(UInt64(objects), ordering: .relaxed)
            counters.evictedBytes.add(UInt64(freed), ordering: .relaxed)
        }
        return freed
    }
}

/// What is pinned, as of some generation.
private struct PinnedObjects {
    private var generation: UInt64
    private var lists: [PinFile]

    init(_ pins: PinFolder, _ usage: UsageCounters) throws(CASError) {
        // The number first: a pin that is set between the two lines is then merely read twice.
        generation = try usage.pinsGeneration()
        lists = try pins.all(removesDead: true).map(\.pin)
    }

    mutating func refresh(_ pins: PinFolder, _ usage: UsageCounters) throws(CASError) {
        if try usage.pinsGeneration() != generation { self = try PinnedObjects(pins, usage) }
    }

    var isEmpty: Bool { lists.isEmpty }

    func contains(_ id: ObjectID) -> Bool { lists.contains { $0.contains(id) } }
}

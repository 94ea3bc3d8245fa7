internal import CPlatform
internal import Synchronization
internal import SystemPackage

/// The objects' files: looks them up, checks them, gives them their names, drops them.
final class ObjectFiles: Sendable {
    enum LookUp {
        case found(CachedObject)
        case absent
        /// It is there, but has to be read once before it can be trusted.
        case unchecked

        var isAbsent: Bool { if case .absent = self { true } else { false } }
    }

    /// How exact the times of last use are: what was used within ten minutes is not marked again, so that opening an
    /// object that is in use costs no write.
    static let accessGranularity: Int64 = 600 * 1_000_000_000
    /// Objects remembered as checked where that cannot be written beside them.
    private static let mostRemembered = 65_536
    /// How often room is made for one object that other writers then take.
    private static let mostAttempts = 64
    private static let checkBufferBytes = 256 << 10

    let folder: CacheFolder
    let usage: UsageCounters
    let pins: PinFolder
    let evictor: Evictor
    let counters: StoreCounters
    private let checked = Mutex<Set<ObjectID>>([])
    /// Objects that this process has stored, by the first byte of their names.
    private let committed = (0..<256).map { _ in CommitCount() }

    init(
        _ folder: CacheFolder, _ usage: UsageCounters, _ pins: PinFolder, _ evictor: Evictor, _ counters: StoreCounters
    ) {
        self.folder = folder
        self.usage = usage
        self.pins = pins
        self.evictor = evictor
        self.counters = counters
    }

    // MARK: Looking up

    /// - Parameters:
    ///   - limit: an object of more bytes that must be read once is left unchecked.
    ///   - touches: whether this is a use of it.
    func lookUp(_ id: ObjectID, checkingUpTo limit: Int64 = .max, touches: Bool = true) throws(CASError) -> LookUp {
        let name = ObjectName(id)
        // A file that was evicted while it was being opened may have been replaced since.
        for _ in 0..<3 {
            let file = name.withPointer { cplatform_open_file(folder.descriptor, $0, 0) }
            if file < 0 {
                switch Errno(rawValue: -file) {
                // No file, a symbolic link or something else that is no object of ours.
                case .noSuchFileOrDirectory, .tooManySymbolicLinkLevels, .noSuchAddressOrDevice, .notDirectory,
                    .permissionDenied, .notPermitted:
                    return .absent
                default: throw failure(file, id, "cannot be opened")
                }
            }
            var status = cplatform_status()
            guard let found = try examine(id, file, limit, touches, &status) else {
                cplatform_close(file)
                if status.links == 0 { continue }
                return .absent
            }
            if found { return .found(CachedObject(id, size: status.size, descriptor: file, files: self)) }
            cplatform_close(file)
            return .unchecked
        }
        return .absent
    }

    /// A number that changes when this process stores an object of that name, and now and then besides: as long as it
    /// is the same, what was absent still is, as far as this process knows.
    func commits(like id: ObjectID) -> UInt {
        committed[Int(ObjectName(id).folder)].value.load(ordering: .acquiring)
    }

    func contains(_ id: ObjectID) -> Bool {
        var status = cplatform_status()
        return ObjectName(id).withPointer { cplatform_status_at(folder.descriptor, $0, &status) } >= 0
            && status.is_regular != 0
    }

    /// Locks an open file and judges it. True: good; false: must be read first; `nil`: of no use.
    private func examine(
        _ id: ObjectID, _ file: Int32, _ limit: Int64, _ touches: Bool, _ status: inout cplatform_status
    ) throws(CASError) -> Bool? {
        status.links = 1
        let locked = cplatform_lock(file, 0, 0)
        // Who holds it exclusively is about to delete it.
        if locked == -Errno.wouldBlock.rawValue { return nil }
        if locked < 0 { throw failure(locked, id, "cannot be locked") }
        let known = cplatform_status_of(file, &status)
        if known < 0 { throw failure(known, id, "cannot be opened") }
        guard status.is_regular != 0, status.links > 0 else { return nil }
        guard let record = folder.check(of: id, file: file), record.size == status.size else {
            try drop(id, file: file)
            return nil
        }
        if record.boot != folder.boot, !checked.withLock({ $0.contains(id) }) {
            if status.size > limit { return false }
            guard try checksum(id, file, size: status.size) == record.checksum else {
                try drop(id, file: file)
                return nil
            }
            remember(id, CheckRecord(size: record.size, checksum: record.checksum, boot: folder.boot), file)
        }
        let now = cplatform_now()
        if touches, folder.isWritable, !(0..<Self.accessGranularity).contains(now &- status.accessed) {
            _ = cplatform_set_accessed(file, now)
        }
        return true
    }

    /// The CRC-32 of what is on the disk; `nil` when it cannot be read whole.
    private func checksum(_ id: ObjectID, _ file: Int32, size: Int64) throws(CASError) -> UInt32? {
        var checksum = Checksum()
        let capacity = Int(min(size, Int64(Self.checkBufferBytes)))
        return withUnsafeTemporaryAllocation(byteCount: max(1, capacity), alignment: 16) { buffer in
            var offset: Int64 = 0
            while offset < size {
                let count = min(Int64(capacity), size - offset)
                guard cplatform_read_at(file, buffer.baseAddress, count, offset) == count else { return nil }
                checksum.update(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: buffer[..<Int(count)])))
                offset += count
            }
            return checksum.value
        }
    }

    private func remember(_ id: ObjectID, _ record: CheckRecord, _ file: Int32) {
        if folder.isWritable, folder.setCheck(record, of: id, file: file) >= 0 { return }
        checked.withLock { checked in
            if checked.count >= Self.mostRemembered { checked.removeAll(keepingCapacity: true) }
            checked.insert(id)
        }
    }

    // MARK: Committing

    /// Makes a verified object visible.
    /// - Parameter file: holds the plain content, all of it.
    func commit(
        _ file: consuming UnfinishedFile, _ id: ObjectID, size: Int64, checksum: UInt32
    ) throws(CASError) -> CachedObject {
        let charge = UsageCounters.charge(size)
        // What would push out everything else is not kept, but it can be read.
        if charge > evictor.largestObject, try !isPinned(id) {
            return try handle(on: file.descriptor, id, size)
        }
        let name = ObjectName(id)
        let record = CheckRecord(size: size, checksum: checksum, boot: folder.boot)
        for _ in 0..<2 {
            let total = try reserve(charge, name.folder)
            let published: Int32
            do throws(CASError) {
                published = try evictor.retryingWhenFull { () throws(CASError) in
                    try publish(&file, id, name, record)
                }
            } catch {
                try usage.settle(charge, in: name.folder, isNamed: false)
                // The content is there; all that it lacks is a name.
                if error.code == .noSpace { break }
                throw error
            }
            try usage.settle(charge, in: name.folder, isNamed: published >= 0)
            if published >= 0 {
                committed[Int(name.folder)].value.add(1, ordering: .releasing)
                counters.storedObjects.add(1, ordering: .relaxed)
                counters.storedBytes.add(UInt64(size), ordering: .relaxed)
                evictor.noteWritten(charge, total: total)
                return try reopened(name, id, size, file.descriptor)
            }
            // Another process was faster. Its file is as good as this one, unless it turns out to be damaged.
            if case .found(let object) = try lookUp(id) { return object }
        }
        return try handle(on: file.descriptor, id, size)
    }

    /// Counts an object, and evicts first where it would pass the limit; beyond the limit when nothing can go.
    private func reserve(_ charge: Int64, _ place: UInt8) throws(CASError) -> StoreUsage {
        for _ in 0..<Self.mostAttempts {
            let reservation = try evictor.retryingWhenFull { () throws(CASError) in
                try usage.reserve(charge, in: place, limit: evictor.limit)
            }
            if case .made(let total) = reservation { return total }
            if try !evictor.makeRoom(for: .limit(charge: charge)) { break }
        }
        guard case .made(let total) = try usage.reserve(charge, in: place, limit: nil) else {
            return try usage.total
        }
        return total
    }

    /// - Returns: 0, or the negated errno that says that the name is taken.
    private func publish(
        _ file: inout UnfinishedFile, _ id: ObjectID, _ name: ObjectName, _ record: CheckRecord
    ) throws(CASError) -> Int32 {
        var result: Int32 = 0
        if folder.abilities.contains(.attributes) {
            result = folder.setCheck(record, of: id, file: file.descriptor)
            if result >= 0 { result = place(&file, name) }
        } else {
            // The record is a file of its own, which must not be taken away as an orphan before the object is there.
            let descriptor = file.descriptor
            _ = try folder.withLock(.removal, exclusively: false) { () throws(CASError) in
                result = folder.setCheck(record, of: id, file: descriptor)
                if result >= 0 { result = place(&file, name) }
            }
        }
        if result >= 0 || result == -Errno.fileExists.rawValue { return result }
        throw CASError(system: result, "object \(id): cannot be put into cache \(folder.path)", writes: true)
    }

    private func place(_ file: inout UnfinishedFile, _ name: ObjectName) -> Int32 {
        let result = name.withPointer { file.publish(as: $0) }
        guard result == -Errno.noSuchFileOrDirectory.rawValue else { return result }
        let made = cplatform_make_folder(folder.descriptor, ObjectName.folderName(name.folder))
        return made < 0 ? made : name.withPointer { file.publish(as: $0) }
    }

    /// A handle that can only read: a program cannot be executed while someone may write to it.
    private func reopened(_ name: ObjectName, _ id: ObjectID, _ size: Int64, _ written: Int32) throws(CASError)
        -> CachedObject
    {
        let file = name.withPointer { cplatform_open_file(folder.descriptor, $0, 0) }
        guard file >= 0 else { return try handle(on: written, id, size) }
        var (mine, theirs) = (cplatform_status(), cplatform_status())
        guard cplatform_lock(file, 0, 0) >= 0, cplatform_status_of(file, &theirs) >= 0,
            cplatform_status_of(written, &mine) >= 0, mine.inode == theirs.inode
        else {
            // It was dropped again already.
            cplatform_close(file)
            return try handle(on: written, id, size)
        }
        return CachedObject(id, size: size, descriptor: file, files: self)
    }

    /// A handle on a file that has no name, or not for long.
    private func handle(on written: Int32, _ id: ObjectID, _ size: Int64) throws(CASError) -> CachedObject {
        let file = cplatform_reopen_for_reading(written)
        if file < 0 { throw failure(file, id, "cannot be opened") }
        _ = cplatform_lock(file, 0, 0)
        return CachedObject(id, size: size, descriptor: file, files: self)
    }

    private func isPinned(_ id: ObjectID) throws(CASError) -> Bool { try pins.all().contains { $0.pin.contains(id) } }

    // MARK: Dropping

    /// Drops an object that is damaged, if the name still stands for that file.
    func drop(_ id: ObjectID, file: Int32) throws(CASError) {
        var mine = cplatform_status()
        guard folder.isWritable, cplatform_status_of(file, &mine) >= 0 else { return }
        // It was counted by the size that it had when it was stored.
        let size = folder.check(of: id, file: file)?.size ?? mine.size
        if try remove(id, size: size, where: { $0.inode == mine.inode }) {
            counters.droppedObjects.add(1, ordering: .relaxed)
        }
    }

    /// Drops an object. False when it was not there.
    @discardableResult
    func remove(
        _ id: ObjectID, size: Int64? = nil, where isMeant: (cplatform_status) -> Bool = { _ in true }
    ) throws(CASError) -> Bool {
        let name = ObjectName(id)
        let isRemoved = try folder.withLock(.removal) { () throws(CASError) -> Bool in
            var status = cplatform_status()
            guard name.withPointer({ cplatform_status_at(folder.descriptor, $0, &status) }) >= 0, isMeant(status) else {
                return false
            }
            let removed = name.withPointer { cplatform_remove_file(folder.descriptor, $0) }
            if removed < 0 { throw CASError(system: removed, "object \(id): cannot be removed", writes: true) }
            folder.removeCheck(id)
            if status.is_regular != 0 { try usage.release(UsageCounters.charge(size ?? status.size), in: name.folder) }
            return true
        }
        return isRemoved ?? false
    }

    private func failure(_ result: Int32, _ id: ObjectID, _ what: String) -> CASError {
        CASError(system: result, "object \(id) in cache \(folder.path): \(what)")
    }

    // MARK: Verifying

    /// Why an object is of no use; `nil` when it is whole, or gone. A damaged one is dropped.
    func verify(_ entry: ObjectFolder.Entry) throws(CASError) -> String? {
        let id = entry.id
        guard entry.isRegular else {
            // A folder stays where it is, and harms nobody.
            if folder.isWritable { _ = try? remove(id) { $0.is_regular == 0 } }
            return "is no file"
        }
        let file = ObjectName(id).withPointer { cplatform_open_file(folder.descriptor, $0, 0) }
        switch Errno(rawValue: -file) {
        case .noSuchFileOrDirectory: return nil
        case .tooManyOpenFiles, .tooManyOpenFilesInSystem: throw failure(file, id, "cannot be opened")
        case let errno: if file < 0 { return "cannot be opened: \(errno)" }
        }
        defer { cplatform_close(file) }
        // Being evicted at this moment.
        guard cplatform_lock(file, 0, 0) >= 0 else { return nil }
        var status = cplatform_status()
        guard cplatform_status_of(file, &status) >= 0, status.links > 0 else { return nil }
        var defect: String?
        if let record = folder.check(of: id, file: file) {
            if record.size != status.size {
                defect = "has \(status.size) bytes instead of \(record.size)"
            } else if try checksum(id, file, size: status.size) != record.checksum {
                defect = "its content is not what was stored"
            } else if record.boot != folder.boot {
                remember(id, CheckRecord(size: record.size, checksum: record.checksum, boot: folder.boot), file)
            }
        } else {
            defect = "has no check record"
        }
        if defect != nil { try drop(id, file: file) }
        return defect
    }

    /// Removes check records in files of their own whose objects are gone.
    func removeOrphanedChecks(in number: ObjectFolder) throws(CASError) {
        guard !folder.abilities.contains(.attributes) else { return }
        for id in folder.checkFiles(in: number.number) where !contains(id) {
            _ = try folder.withLock(.removal) { () throws(CASError) in if !contains(id) { folder.removeCheck(id) } }
        }
    }

    func synchronize() throws(CASError) {
        let result = cplatform_sync_file_system(folder.descriptor)
        if result < 0 { throw CASError(system: result, "cache folder \(folder.path): cannot be synchronised") }
    }
}

/// A counter in a list: atomics can be in none by themselves.
private final class CommitCount: Sendable {
    let value = Atomic<UInt>(0)
}

public import CASCore
internal import Catalog
internal import Synchronization
public import SystemPackage

extension Snapshot {
    /// Copies a subtree out into a folder: modes, times, symlinks, hardlinks, fifos, sockets and extended attributes,
    /// owners and devices where the process may.
    ///
    /// Files are copied several at once, each under a temporary name until it is complete. A copy that was interrupted
    /// goes on where it was: files of the right size and time stay. What else is in the folder is left alone.
    ///
    /// - Parameters:
    ///   - path: a directory, whose content goes into `folder`, or anything else, which goes there under its own name.
    ///   - folder: made when it is absent; its parent must exist.
    ///   - options: owners, and how many files at once.
    ///   - progress: called now and then with what is done so far.
    /// - Throws: `CVMFSError`; `CancellationError`. What was copied until then stays.
    public func copy(
        _ path: RepositoryPath = .root, to folder: FilePath, options: CopyOptions = CopyOptions(),
        progress: @escaping @Sendable (CopyReport) -> Void = { _ in }
    ) async throws -> CopyReport {
        let copy = SubtreeCopy(snapshot: self, options: options, progress: progress)
        return try await withTaskExecutorPreference(BlockingPool.shared) { try await copy.run(path, to: folder) }
    }
}

/// One run of a copy.
private final class SubtreeCopy: Sendable {
    /// The name of a file that is not complete: of a fixed length, and another one for each path.
    private static func temporaryName(of entry: Entry) -> FileName {
        let key = entry.path.key
        return FileName(".cvmfs-get-\(UInt64(bitPattern: key.first))-\(UInt64(bitPattern: key.second))")
    }

    /// A directory on the way down.
    private struct Level {
        let entry: Entry
        let folder: TargetFolder
        // First members of hardlink groups; all members of one lie in one directory.
        var links: [UInt32: FileName] = [:]
    }

    private let snapshot: Snapshot
    private let options: CopyOptions
    private let progress: @Sendable (CopyReport) -> Void
    private let report = Mutex(CopyReport())

    init(snapshot: Snapshot, options: CopyOptions, progress: @escaping @Sendable (CopyReport) -> Void) {
        self.snapshot = snapshot
        self.options = options
        self.progress = progress
    }

    func run(_ path: RepositoryPath, to target: FilePath) async throws -> CopyReport {
        let start = try await snapshot.entry(at: path)
        let root = try during(path) { () throws(Errno) in try TargetFolder.open(target) }
        guard start.kind == .directory else {
            if start.kind == .file { try await copyFile(start, in: root) } else { try await makeOther(start, in: root) }
            return report.withLock { $0 }
        }
        try await copyTree(start, into: root)
        try await applyRootAttributes(start, to: target)
        return report.withLock { $0 }
    }

    /// Two walks: the first makes everything, with all files in flight at once; the second, over the catalogs that are
    /// local by then, makes the hardlinks and gives directories their attributes, which the first would have spoilt.
    private func copyTree(_ start: Entry, into root: TargetFolder) async throws {
        count(start)
        try await withThrowingTaskGroup(of: Void.self) { group in
            var running = 0
            try await traverse(start, root) { entry, first, folder in
                guard first == nil else { return }
                guard entry.kind == .file else {
                    return entry.kind == .directory ? count(entry) : try await makeOther(entry, in: folder)
                }
                if running >= options.parallelFiles {
                    try await group.next()
                    running -= 1
                }
                running += 1
                group.addTask { [self] in try await copyFile(entry, in: folder) }
            }
            try await group.waitForAll()
        }
        try await traverse(start, root) { entry, first, folder in
            if let first { try link(first, to: entry, in: folder) }
        } leave: { entry, folder in
            try await applyAttributes(of: entry, as: entry.name, in: folder)
        }
    }

    /// Walks the subtree with the folders of the copy beside it.
    ///
    /// - Parameters:
    ///   - visit: gets each entry, for members of a hardlink group but the first that one's name, and its folder.
    ///   - leave: gets each directory below the start, and its parent's folder, when all in it has been visited.
    private func traverse(
        _ start: Entry, _ root: TargetFolder,
        visit: (Entry, FileName?, TargetFolder) async throws -> Void,
        leave: (Entry, TargetFolder) async throws -> Void = { _, _ in }
    ) async throws {
        var levels = [Level(entry: start, folder: root)]
        func leaveLast() async throws {
            let level = levels.removeLast()
            if let parent = levels.last { try await leave(level.entry, parent.folder) }
        }
        var walk = snapshot.walk(start.path).makeAsyncIterator()
        _ = try await walk.next()
        while let entry = try await walk.next() {
            try Task.checkCancellation()
            while let last = levels.last, entry.path.parent != last.entry.path { try await leaveLast() }
            guard let folder = levels.last?.folder else { break }
            var first: FileName?
            if entry.hardlinkGroup != 0, entry.kind != .directory {
                first = levels[levels.count - 1].links[entry.hardlinkGroup]
                if first == nil { levels[levels.count - 1].links[entry.hardlinkGroup] = entry.name }
            }
            try await visit(entry, first, folder)
            if entry.kind == .directory {
                let child = try during(entry.path) { () throws(Errno) in try folder.folder(entry.name) }
                levels.append(Level(entry: entry, folder: child))
            }
        }
        while levels.count > 1 { try await leaveLast() }
    }

    // MARK: Files

    private func copyFile(_ entry: Entry, in folder: TargetFolder) async throws {
        if try isComplete(entry, in: folder) {
            report.withLock { $0.alreadyPresent += 1 }
            count(entry)
            return
        }
        let temporary = Self.temporaryName(of: entry)
        let descriptor = try during(entry.path) { () throws(Errno) in
            try folder.remove(temporary)
            return try folder.create(temporary)
        }
        do {
            try await write(entry, to: descriptor)
            try descriptor.close()
        } catch {
            try? descriptor.close()
            try? folder.remove(temporary)
            throw CVMFSError.during("cannot copy \(entry.path)", error)
        }
        try during(entry.path) { () throws(Errno) in
            try makeRoom(for: entry, in: folder)
            try folder.rename(temporary, to: entry.name)
        }
        try await applyAttributes(of: entry, in: folder)
        count(entry)
    }

    private func isComplete(_ entry: Entry, in folder: TargetFolder) throws -> Bool {
        let status = try during(entry.path) { () throws(Errno) in try folder.status(entry.name) }
        guard let status else { return false }
        // The time is set last, after the content is complete.
        return status.kind == .file && status.size == entry.size && status.seconds == entry.mtime
            && status.nanoseconds == Int64(entry.mtimeNanoseconds ?? 0)
    }

    private func write(_ entry: Entry, to descriptor: FileDescriptor) async throws {
        let file = try await snapshot.file(entry)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 4096)
        defer { buffer.deallocate() }
        var offset: Int64 = 0
        while offset < entry.size {
            try Task.checkCancellation()
            let count = try await file.read(into: buffer, at: offset)
            try descriptor.writeAll(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            offset += Int64(count)
            report.withLock { $0.bytes += Int64(count) }
        }
    }

    // MARK: What has no content

    private func makeOther(_ entry: Entry, in folder: TargetFolder) async throws {
        do {
            try makeRoom(for: entry, in: folder)
            switch entry.kind {
            case .symlink:
                let target = snapshot.target(of: entry)
                guard !target.isEmpty else { return omit(entry, "no file system has a symlink to nothing") }
                try folder.symlink(entry.name, to: target)
            case .character, .block:
                guard options.preservesOwners else { return omit(entry, "devices need root") }
                fallthrough
            default:
                try folder.makeNode(
                    entry.name, mode: entry.mode, device: entry.device ?? DeviceNumber(major: 0, minor: 0))
            }
        } catch Errno.notPermitted, Errno.permissionDenied {
            return omit(entry, "no right to make a \(entry.kind) here")
        } catch { throw failure(entry.path, error) }
        try await applyAttributes(of: entry, in: folder)
        count(entry)
    }

    /// Removes what is in the way, unless it is a directory.
    private func makeRoom(for entry: Entry, in folder: TargetFolder) throws(Errno) {
        guard let status = try folder.status(entry.name) else { return }
        if status.kind == .directory { throw .isDirectory }
        try folder.remove(entry.name)
    }

    // MARK: Attributes

    private func link(_ first: FileName, to entry: Entry, in folder: TargetFolder) throws {
        try during(entry.path) { () throws(Errno) in
            try makeRoom(for: entry, in: folder)
            try folder.link(first, to: entry.name)
        }
        count(entry)
    }

    private func applyAttributes(of entry: Entry, in folder: TargetFolder) async throws {
        try await applyAttributes(of: entry, as: entry.name, in: folder)
    }

    /// The target folder itself gets the attributes of what was copied, through its own parent.
    private func applyRootAttributes(_ entry: Entry, to target: FilePath) async throws {
        let absolute = target.lexicallyNormalized()
        guard let name = absolute.lastComponent else { return }
        let parent = absolute.removingLastComponent()
        let folder = try during(entry.path) { () throws(Errno) in
            try TargetFolder.open(parent.isEmpty ? "." : parent)
        }
        let status = try during(entry.path) { () throws(Errno) in try folder.status(FileName(name.string)) }
        // A symlink to a folder was given as the target: its attributes are not ours to change.
        guard let status, status.kind == .directory else { return }
        try await applyAttributes(of: entry, as: FileName(name.string), in: folder)
    }

    private func applyAttributes(of entry: Entry, as name: FileName, in folder: TargetFolder) async throws {
        if options.preservesOwners {
            do throws(Errno) {
                try folder.setOwner(name, uid: entry.uid, gid: entry.gid)
            } catch { omit(entry, "owner \(entry.uid):\(entry.gid) not set: \(error)") }
        }
        for attribute in try await snapshot.xattrs(of: entry).attributes {
            do throws(Errno) {
                try folder.setXattr(name, key: attribute.name, value: attribute.value)
            } catch {
                omit(entry, "attribute \(String(decoding: attribute.name, as: UTF8.self)) not set: \(error)")
            }
        }
        try during(entry.path) { () throws(Errno) in
            if entry.kind != .symlink { try folder.setMode(name, entry.mode & 0o7777) }
            try folder.setTimes(name, seconds: entry.mtime, nanoseconds: Int64(entry.mtimeNanoseconds ?? 0))
        }
    }

    // MARK: Book-keeping

    private func count(_ entry: Entry) {
        let current = report.withLock { report in
            report.entries += 1
            return report
        }
        if current.entries % 64 == 0 { progress(current) }
    }

    private func omit(_ entry: Entry, _ reason: String) {
        report.withLock { $0.omissions.append(CopyReport.Omission(path: entry.path, reason: reason)) }
    }

    private func during<Result>(_ path: RepositoryPath, _ body: () throws(Errno) -> Result) throws -> Result {
        do { return try body() } catch { throw failure(path, error) }
    }

    private func failure(_ path: RepositoryPath, _ error: any Error) -> CVMFSError {
        CVMFSError(.storage, "cannot copy \(path) out: \(error)", cause: error)
    }
}

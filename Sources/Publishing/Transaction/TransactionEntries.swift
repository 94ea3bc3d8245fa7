public import CASCore
public import Catalog
internal import Signing
public import SystemPackage

/// Changes of single entries.
extension Transaction {
    /// Makes a directory, or gives one that is there other attributes. Those above it are made when they are missing.
    public nonisolated func makeDirectory(
        _ path: RepositoryPath, _ attributes: EntryAttributes = .directory
    ) async throws {
        try await change { transaction, tree in
            try transaction.check(path, mayBeRoot: true)
            let wanted = try transaction.record(.directory, attributes, at: path)
            if let old = try tree.record(at: path), old.isDirectory {
                var record = old
                record.takeAttributes(of: wanted)
                try tree.replace(old, with: record, at: path)
                transaction.report.changed += 1
            } else {
                try transaction.put(wanted, [], at: path, tree)
            }
        }
    }

    /// Adds a file, or replaces what is there.
    public nonisolated func addFile(
        _ path: RepositoryPath, _ content: [UInt8], _ attributes: EntryAttributes = .file
    ) async throws {
        try await change { transaction, tree in
            let source = BytesSource(content, label: path.description)
            try transaction.add(path, try await transaction.pipeline.store(source), attributes, tree)
        }
    }

    /// Adds a file with the content of one of this machine, or replaces what is there.
    public nonisolated func addFile(
        _ path: RepositoryPath, contentOf file: FilePath, _ attributes: EntryAttributes = .file
    ) async throws {
        try await change { transaction, tree in
            let source = try FileSource(at: file.string)
            try transaction.add(path, try await transaction.pipeline.store(source), attributes, tree)
        }
    }

    private func add(
        _ path: RepositoryPath, _ content: StoredContent, _ attributes: EntryAttributes, _ tree: WritableTree
    ) throws {
        var record = try record(.file, attributes, at: path)
        record.setContent(content)
        try put(record, content.chunks, at: path, tree)
        guard path.name == NestedMarker.name, let directory = path.parent, !directory.isRoot else { return }
        try tree.makeNested(directory)
    }

    /// Adds a symlink, or replaces what is there.
    /// - Parameters:
    ///   - path: where in the repository.
    ///   - target: as it is to be stored, with its variables. Source: format 3, symlink.
    ///   - attributes: owner, permissions, times.
    public nonisolated func addSymlink(
        _ path: RepositoryPath, to target: String, _ attributes: EntryAttributes = EntryAttributes(permissions: 0o777)
    ) async throws {
        try await change { transaction, tree in
            guard !target.isEmpty, target.utf8.count <= SourceLimits.targetBytes, !target.utf8.contains(0) else {
                throw PublishingError(
                    .invalidArgument, "\(path): a symlink cannot have the target \"\(target.prefix(255))\"")
            }
            var record = try transaction.record(.symlink, attributes, at: path)
            record.target = Array(target.utf8)
            try transaction.put(record, [], at: path, tree)
        }
    }

    /// Adds a fifo, a socket or a device, or replaces what is there.
    /// - Parameters:
    ///   - path: where in the repository.
    ///   - kind: which of these.
    ///   - device: of a device, its number.
    ///   - attributes: owner, permissions, times.
    public nonisolated func addSpecial(
        _ path: RepositoryPath, _ kind: EntryKind, device: DeviceNumber? = nil, _ attributes: EntryAttributes = .file
    ) async throws {
        try await change { transaction, tree in
            guard kind.isSpecial, kind.isDevice == (device != nil) else {
                throw PublishingError(
                    .invalidArgument, "\(path): a special file is a fifo, a socket, or a device with a number")
            }
            var record = try transaction.record(kind, attributes, at: path)
            record.device = device
            try transaction.put(record, [], at: path, tree)
        }
    }

    /// Removes an entry, and everything below it.
    /// - Throws: `PublishingError` with `noSuchEntry` when it is not there.
    public nonisolated func remove(_ path: RepositoryPath) async throws {
        try await change { transaction, tree in
            try transaction.check(path)
            let old = try transaction.existing(path, tree)
            try transaction.remove(old, at: path, tree)
        }
    }

    private func remove(_ old: EntryRecord, at path: RepositoryPath, _ tree: WritableTree) throws {
        report.removed += try tree.remove(old, at: path)
        if path.name == NestedMarker.name, old.kind == .file, let directory = path.parent, !directory.isRoot {
            try tree.merge(directory)
        }
    }

    /// Moves an entry with everything below it to another path, in place of what is there.
    /// - Throws: `PublishingError`: `noSuchEntry` when it is not there, `invalidArgument` when it would go into itself.
    public nonisolated func rename(_ path: RepositoryPath, to new: RepositoryPath) async throws {
        try await change { transaction, tree in
            try transaction.check(path)
            try transaction.check(new)
            let old = try transaction.existing(path, tree)
            guard path != new else { return }
            guard !new.isInside(path), !path.isInside(new) else {
                throw PublishingError(.invalidArgument, "\(path) cannot be moved to \(new): one holds the other")
            }
            if let there = try tree.record(at: new) { try transaction.remove(there, at: new, tree) }
            if let parent = new.parent { try transaction.makeDirectories(parent, tree) }
            let wasHalfDone = transaction.isHalfDone
            transaction.isHalfDone = true
            try tree.move(old, from: path, to: new)
            transaction.isHalfDone = wasHalfDone
            transaction.report.changed += 1
            guard old.kind == .file else { return }
            // A marker does where it comes to what it did where it was.
            if path.name == NestedMarker.name, let parent = path.parent, !parent.isRoot { try tree.merge(parent) }
            if new.name == NestedMarker.name, let parent = new.parent, !parent.isRoot { try tree.makeNested(parent) }
        }
    }

    /// Gives an entry, and the other names of the same file in its directory, other attributes; kind and content stay.
    public nonisolated func setAttributes(_ path: RepositoryPath, _ attributes: EntryAttributes) async throws {
        try await change { transaction, tree in
            try transaction.check(path, mayBeRoot: true)
            let old = try transaction.existing(path, tree)
            let wanted = try transaction.record(old.kind, attributes, at: path)
            for (name, member) in try tree.links(of: old, at: path) {
                var record = member
                record.takeAttributes(of: wanted)
                try tree.replace(member, with: record, at: name)
                transaction.report.changed += 1
            }
        }
    }

    private func existing(_ path: RepositoryPath, _ tree: WritableTree) throws -> EntryRecord {
        guard let record = try tree.record(at: path) else {
            throw PublishingError(.noSuchEntry, "\(path) is not in the repository")
        }
        return record
    }

    /// Adds an entry, or replaces what is there.
    private func put(
        _ record: EntryRecord, _ chunks: [FileChunk], at path: RepositoryPath, _ tree: WritableTree
    ) throws {
        try check(path)
        if let parent = path.parent { try makeDirectories(parent, tree) }
        if let old = try tree.record(at: path) { report.removed += try tree.remove(old, at: path) }
        try tree.insert(record, chunks: chunks, at: path)
        report.added += 1
    }

    /// Makes a directory and what is missing above it.
    func makeDirectories(_ path: RepositoryPath, _ tree: WritableTree) throws {
        if let record = try tree.record(at: path) {
            guard record.isDirectory, record.role != .bindMountpoint else {
                throw PublishingError(.invalidArgument, "\(path) is no directory in which anything could be")
            }
            return
        }
        if let parent = path.parent { try makeDirectories(parent, tree) }
        try tree.insert(.directory(mtime: startTime.seconds), at: path)
        report.added += 1
    }

    private func record(
        _ kind: EntryKind, _ attributes: EntryAttributes, at path: RepositoryPath
    ) throws -> EntryRecord {
        var record = EntryRecord(
            kind: kind, permissions: attributes.permissions & 0o7777, uid: attributes.uid, gid: attributes.gid,
            mtime: attributes.mtime ?? startTime.seconds, mtimeNanoseconds: attributes.mtimeNanoseconds)
        let (stored, unfit) = ExtendedAttributes.blob(of: attributes.xattrs)
        guard unfit.isEmpty else {
            let name = String(decoding: unfit[0], as: UTF8.self)
            throw PublishingError(
                .unsupported, "\(path): the extended attribute \(name) cannot be held; 255 of 255 bytes can")
        }
        record.xattrs = stored
        return record
    }

    /// Whether anything may be changed at a path.
    func check(_ path: RepositoryPath, mayBeRoot: Bool = false) throws {
        guard mayBeRoot || !path.isRoot else {
            throw PublishingError(.invalidArgument, "the repository's root can only be a directory")
        }
        guard path.bytes.count <= SourceLimits.pathBytes, path.components.allSatisfy(\.isValid) else {
            throw PublishingError(
                .invalidArgument, "\(path) is longer than a path may be, or has a name that no file can have")
        }
        guard path.components.first != NestedMarker.virtualDirectory else {
            throw PublishingError(
                .invalidArgument, "\(path): nothing can be changed below /\(NestedMarker.virtualDirectory)")
        }
        guard path.name != NestedMarker.name || path.parent?.isRoot != true else {
            throw PublishingError(.invalidArgument, "\(path): the repository's root is a catalog anyway")
        }
    }
}

extension EntryRecord {
    /// Says where the content of a file is.
    mutating func setContent(_ content: StoredContent) {
        size = content.size
        contentHash = content.whole
        compression = content.compression
        isChunked = !content.chunks.isEmpty
        hashAlgorithm = content.whole?.algorithm ?? content.chunks.first?.hash.algorithm ?? .sha1
    }

    /// Takes over what `EntryAttributes` has.
    mutating func takeAttributes(of other: EntryRecord) {
        permissions = other.permissions
        uid = other.uid
        gid = other.gid
        mtime = other.mtime
        mtimeNanoseconds = other.mtimeNanoseconds
        xattrs = other.xattrs
    }
}

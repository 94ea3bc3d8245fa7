internal import CASCore
internal import CPlatform
internal import Catalog
internal import SystemPackage

/// A directory of this machine as the source of a tree.
///
/// Everything is opened from the folder that holds it, and no symlink is followed, so that nothing outside gets in. A
/// file system mounted below is a part of the tree. Names need not be UTF-8.
package struct DirectorySource: TreeSource {
    /// A folder whose entries are being given out.
    private struct Level {
        let path: RepositoryPath
        let name: FileName
        let identity: HardlinkIdentity
        /// `nil` while too many others are open.
        var folder: FolderHandle?
        var names: FolderNames?
        var next = 0
    }

    package let label: String
    private let root: FolderHandle
    private var levels: [Level] = []
    private var isStarted = false

    /// - Throws: `source` when it is no directory or cannot be opened.
    package init(at path: String) throws(PublishingError) {
        var path = path
        while path.utf8.count > 1, path.hasSuffix("/") { path.removeLast() }
        label = path
        // The one place where a symlink is followed: whoever names one means what it points to.
        let opened = cplatform_open_folder(path)
        guard opened >= 0 else {
            throw PublishingError(
                .source, "\(path): cannot be opened as a directory", cause: Errno(rawValue: -opened))
        }
        root = FolderHandle(descriptor: opened, label: path == "/" ? "" : path)
    }

    package mutating func next() throws(PublishingError) -> SourceEntry? {
        guard isStarted else {
            isStarted = true
            let status = try root.status(FileName(bytes: []))
            levels.append(Level(path: .root, name: FileName(bytes: []), identity: Self.identity(status), folder: root))
            return try entry(.root, FileName(bytes: []), status, in: root)
        }
        while let last = levels.indices.last {
            let folder = try openFolder(of: last)
            if levels[last].names == nil { levels[last].names = try folder.names() }
            guard let names = levels[last].names, levels[last].next < names.count else {
                levels.removeLast()
                continue
            }
            let name = names[levels[last].next]
            levels[last].next += 1
            let path = levels[last].path.appending(name)
            guard path.bytes.count <= SourceLimits.pathBytes else {
                throw PublishingError(
                    .unsupported, "\(folder.label)/\(name): the path is longer than \(SourceLimits.pathBytes) bytes")
            }
            let status = try folder.status(name)
            if status.mode & EntryKind.mask == EntryKind.directory.rawValue {
                levels.append(Level(path: path, name: name, identity: Self.identity(status)))
                // The one that is needed again last of all.
                let old = levels.count - SourceLimits.openFolders
                if old > 0 { levels[old].folder = nil }
            }
            return try entry(path, name, status, in: folder)
        }
        return nil
    }

    // MARK: Folders

    /// The folder of a level, opened again if it was closed meanwhile.
    private mutating func openFolder(of index: Int) throws(PublishingError) -> FolderHandle {
        if let folder = levels[index].folder { return folder }
        var nearest = index
        while levels[nearest].folder == nil { nearest -= 1 }
        guard var folder = levels[nearest].folder else { return root }
        for level in levels[(nearest + 1)...index] {
            folder = try folder.folder(level.name)
            guard Self.identity(try folder.status(FileName(bytes: []))) == level.identity else {
                throw PublishingError(.changed, "\(folder.label): was replaced while it was read; publish again")
            }
        }
        levels[index].folder = folder
        return folder
    }

    private static func identity(_ status: cplatform_entry) -> HardlinkIdentity {
        HardlinkIdentity(device: status.device, inode: status.inode)
    }

    // MARK: Entries

    private func entry(
        _ path: RepositoryPath, _ name: FileName, _ status: cplatform_entry, in folder: FolderHandle
    ) throws(PublishingError) -> SourceEntry {
        guard let kind = EntryKind(mode: status.mode) else {
            throw PublishingError(.unsupported, "\(folder.label)/\(name): is of a kind that is not known")
        }
        var entry = SourceEntry(
            path: path, kind: kind, permissions: status.mode & 0o7777, uid: status.uid, gid: status.gid,
            mtime: status.modified, mtimeNanoseconds: Int32(truncatingIfNeeded: status.modified_nanoseconds))
        if kind != .directory, status.links > 1 { entry.hardlink = Self.identity(status) }
        entry.xattrs = try XattrReader(folder: folder, name: name).attributes()
        switch kind {
        case .symlink: entry.target = try folder.target(name)
        case .character, .block: entry.device = DeviceNumber(major: status.major, minor: status.minor)
        case .file:
            let identity = FileIdentity(status)
            entry.content = .unread(size: status.size, identity: identity) {
                let source = try FileSource(name, in: folder.descriptor, label: "\(folder.label)/\(name)")
                guard source.identity.device == identity.device, source.identity.inode == identity.inode else {
                    throw PublishingError(
                        .changed, "\(folder.label)/\(name): was replaced while it was read; publish again")
                }
                return source
            }
        case .directory, .fifo, .socket: break
        }
        return entry
    }
}

extension FileIdentity {
    init(_ status: cplatform_entry) {
        self.init(
            device: status.device, inode: status.inode, size: status.size,
            modified: Self.nanoseconds(status.modified, status.modified_nanoseconds),
            changed: Self.nanoseconds(status.changed, status.changed_nanoseconds))
    }

    /// Saturating: a file system may claim any time.
    private static func nanoseconds(_ seconds: Int64, _ nanoseconds: Int64) -> Int64 {
        let (product, overflows) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return overflows ? .max : product &+ nanoseconds
    }
}

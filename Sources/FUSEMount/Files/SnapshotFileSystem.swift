internal import CVMFS
internal import FUSE
internal import Synchronization
internal import SystemPackage

/// A repository's snapshot as the kernel sees it.
///
/// What is local is answered on the thread that asks, and nothing else ever waits there: a miss goes to a task that
/// answers later. There is no open file: a node's number is all that a READ has, and it means the same content for as
/// long as the kernel knows it, whatever the repository does.
final class SnapshotFileSystem: FileSystem {
    let table: NodeTable
    let views: Views
    let fetcher: ObjectFetcher
    let ownership: Ownership
    let shelf = CatalogShelf()
    let recent = RecentEntries()
    let contents: OpenContents
    let mounted: MountedRepository
    let sweep: SweepAhead
    let validity: Validity
    let passThrough: PassThrough
    /// Whether pages of the cache's files go when the mount's page cache has them.
    let isRelieving: Bool
    private let paths = Mutex<[UInt32: (node: NodeID, path: RepositoryPath)]>([:])
    private let listings = RecentListings()
    /// Called when the table has little room left; at once, on the thread of a request.
    private let relief = Mutex<(@Sendable () -> Void)?>(nil)
    private let whenEnded = Mutex<(@Sendable () -> Void)?>(nil)

    init(
        table: NodeTable, view: MountedView, fetcher: ObjectFetcher, ownership: Ownership, contents: Int,
        mounted: MountedRepository, validity: Validity = .forever, isRelieving: Bool = false
    ) {
        self.isRelieving = isRelieving
        self.table = table
        views = Views(view)
        self.fetcher = fetcher
        self.ownership = ownership
        self.contents = OpenContents(limit: contents)
        self.mounted = mounted
        self.validity = validity
        sweep = SweepAhead(fetcher: fetcher)
        passThrough = PassThrough(isWanted: mounted.configuration.reading == .passthrough)
    }

    func onLittleRoom(_ body: @escaping @Sendable () -> Void) { relief.withLock { $0 = body } }

    func onEnd(_ body: @escaping @Sendable () -> Void) { whenEnded.withLock { $0 = body } }

    // MARK: Lookups

    func lookUp(_ name: Span<UInt8>, in parent: NodeID, _ request: Request, _ reply: consuming EntryReply) {
        guard name.count <= CatalogLimits.nameBytes else { return reply.fail(.fileNameTooLong) }
        let view = views.current
        do {
            let known = try name.withUnsafeBytes { try self.known($0, in: parent, view) }
            if let known { return reply.send(known) }
        } catch { return reply.fail(errno(error)) }
        guard let folder = path(of: parent) else { return reply.fail(.staleNFSFileHandle) }
        let bytes = name.withUnsafeBufferPointer { Array($0) }
        let path = folder.appending(FileName(bytes: bytes))
        guard path.bytes.count <= MountLimits.pathBytes else { return reply.fail(.fileNameTooLong) }
        do {
            switch try view.snapshot.tree.lookUp(path) {
            case .found(let entry, let catalog):
                reply.send(try node(of: entry, in: catalog, of: folder, parent: parent, view))
            case .absent: reply.sendAbsent(validity: validity)
            case .needs:
                reply.later { [self] pending in
                    do {
                        let found = try await resolve(path, in: view)
                        let answer = try found.map {
                            try node(of: $0.entry, in: $0.catalog, of: folder, parent: parent, view)
                        }
                        guard let reply = pending.take() else {
                            if let answer { forget(answer.node, lookups: 1) }
                            return
                        }
                        if let answer { reply.send(answer) } else { reply.sendAbsent(validity: validity) }
                    } catch { pending.take()?.fail(errno(error)) }
                }
            }
        } catch { reply.fail(errno(error)) }
    }

    /// The row at a path, loading what catalogs it takes.
    func resolve(
        _ path: RepositoryPath, in view: MountedView
    ) async throws -> (entry: CatalogEntry, catalog: CatalogTree.Mounted)? {
        while true {
            let answer = try await BlockingPool.shared.run { try view.snapshot.tree.lookUp(path) }
            switch answer {
            case .found(let entry, let catalog): return (entry, catalog)
            case .absent: return nil
            case .needs(let missing): try await view.snapshot.tree.load(missing)
            }
        }
    }

    /// Makes an entry known to the kernel; counts as a lookup of its node.
    func node(
        of entry: CatalogEntry, in catalog: CatalogTree.Mounted, of folder: RepositoryPath, parent: NodeID,
        _ view: MountedView
    ) throws -> FUSE.Entry {
        let above = table.digest(ofFolder: parent)
        let known = above.flatMap { above in
            entry.name.withUnsafeBytes { recent[$0, in: above, view.number] }
        }
        if let known, known.catalog === catalog, known.entry.rowID == entry.rowID {
            return try again(known, in: parent)
        }
        let node: NodeID
        let digest: UInt64
        var file: (identity: NodeIdentity, place: CatalogPlace)?
        if entry.isDirectory {
            node = try entry.name.withUnsafeBytes { name throws(MountError) in
                try table.directory(name, in: parent.slot)
            }
            digest = table.digest(of: node.slot) ?? node.rawValue
        } else {
            let identity = NodeIdentity(of: entry, folder: folder.key)
            digest = identity.digest
            let levels = folder.bytes[min(catalog.path.bytes.count, folder.bytes.count)...]
                .count { $0 == UInt8(ascii: "/") }
            let place = CatalogPlace(hash: catalog.hash, size: catalog.size, levels: levels)
            node = try table.node(identity, in: parent.slot, catalog: place, row: entry.rowID)
            file = (identity, place)
        }
        let attributes = attributes(of: entry, inode: digest, view)
        let naming = above.map { RecentEntries.Naming(folder: $0, attributes: attributes, file: file) }
        recent.keep(
            RecentEntries.Located(node: node, entry: entry, catalog: catalog, view: view.number, naming: naming))
        return self.entry(node, attributes)
    }

    /// A name that was looked up of late, at once and without anything made for it.
    private func known(
        _ name: UnsafeRawBufferPointer, in parent: NodeID, _ view: MountedView
    ) throws -> FUSE.Entry? {
        guard let folder = table.digest(ofFolder: parent), let known = recent[name, in: folder, view.number]
        else { return nil }
        return try again(known, in: parent)
    }

    /// Counts another lookup of what was looked up before; the kernel may have forgotten it meanwhile.
    private func again(_ known: RecentEntries.Located, in parent: NodeID) throws -> FUSE.Entry {
        let node: NodeID
        if let file = known.naming?.file {
            node = try table.node(file.identity, in: parent.slot, catalog: file.place, row: known.entry.rowID)
        } else {
            node = try known.entry.name.withUnsafeBytes { name throws(MountError) in
                try table.directory(name, in: parent.slot)
            }
        }
        if known.node != node {
            known.renumber(node)
            recent.keepNode(of: known)
        }
        return entry(node, known.naming?.attributes ?? Attributes(inode: node.rawValue, mode: 0))
    }

    private func entry(_ node: NodeID, _ attributes: Attributes) -> FUSE.Entry {
        if table.isNearlyFull { relief.withLock { $0 }?() }
        return FUSE.Entry(
            node: node, attributes: attributes, nameValidity: validity, attributesValidity: validity)
    }

    func forget(_ node: NodeID, lookups: UInt64) {
        guard table.forget(node, lookups: lookups) else { return }
        contents.drop(node)
        passThrough.closeUnused(of: table)
    }

    // MARK: Attributes

    func attributes(of node: NodeID, handle: FileHandle?, _ request: Request, _ reply: consuming AttributesReply) {
        let view = views.current
        if let naming = recentlyNamed(node, view)?.naming { return reply.send(naming.attributes, validity: validity) }
        do {
            switch try located(node, view) {
            case .here(let entry, _):
                let digest = table.record(of: node)?.digest ?? node.rawValue
                reply.send(attributes(of: entry, inode: digest, view), validity: validity)
            case .absent: reply.fail(.staleNFSFileHandle)
            case .elsewhere:
                reply.later { [self] pending in
                    do {
                        let found = try await locate(node, view)
                        let digest = table.record(of: node)?.digest ?? node.rawValue
                        if let found {
                            pending.take()?.send(attributes(of: found.entry, inode: digest, view), validity: validity)
                        } else {
                            pending.take()?.fail(.staleNFSFileHandle)
                        }
                    } catch { pending.take()?.fail(errno(error)) }
                }
            }
        } catch { reply.fail(errno(error)) }
    }

    func attributes(of entry: CatalogEntry, inode: UInt64, _ view: MountedView) -> Attributes {
        var size = entry.size
        if entry.kind == .symlink, entry.target.contains(UInt8(ascii: "$")) {
            size = Int64(view.snapshot.expand(entry.target).count)
        }
        let device = entry.device.map { number in
            number.minor & 0xFF | number.major << 8 | (number.minor & ~0xFF) << 12
        }
        return Attributes(
            inode: inode, mode: ownership.mode(entry.mode), size: UInt64(clamping: size), links: entry.linkCount,
            owner: ownership.user(entry.uid), group: ownership.group(entry.gid),
            modified: Timestamp(seconds: entry.mtime, nanoseconds: UInt32(entry.mtimeNanoseconds ?? 0)),
            device: device ?? 0)
    }

    func readLink(_ node: NodeID, _ request: Request, _ reply: consuming LinkReply) {
        let view = views.current
        do {
            switch try located(node, view) {
            case .here(let entry, _): Self.answer(reply, view.snapshot.expand(entry.target))
            case .absent: reply.fail(.staleNFSFileHandle)
            case .elsewhere:
                reply.later { [self] pending in
                    do {
                        let found = try await locate(node, view)
                        guard let reply = pending.take() else { return }
                        if let found {
                            Self.answer(reply, view.snapshot.expand(found.entry.target))
                        } else {
                            reply.fail(.staleNFSFileHandle)
                        }
                    } catch { pending.take()?.fail(errno(error)) }
                }
            }
        } catch { reply.fail(errno(error)) }
    }

    private static func answer(_ reply: consuming LinkReply, _ target: [UInt8]) {
        // What a NUL would cut short, and what is empty, is no target that a kernel takes.
        guard !target.isEmpty, !target.contains(0) else { return reply.fail(.ioError) }
        reply.send(target.span)
    }

    func statistics(_ request: Request, _ reply: consuming StatisticsReply) {
        reply.send(mounted.statistics(of: views.current))
    }

    func readDirectory(
        _ node: NodeID, handle: FileHandle, from offset: UInt64, _ request: Request, _ reply: consuming DirectoryReply
    ) {
        list(node, from: offset, listings, reply)
    }

    func ended() {
        // It keeps the session, which keeps this: neither would ever go, nor the table and what is open.
        relief.withLock { $0 = nil }
        passThrough.end()
        sweep.stop()
        contents.removeAll()
        whenEnded.withLock { $0.take() }?()
    }

    // MARK: Where nodes are

    enum Place {
        case here(CatalogEntry, CatalogTree.Mounted)
        /// There is no such node, or no such directory any more.
        case absent
        /// A catalog has to be loaded first.
        case elsewhere
    }

    /// The path of a directory's node.
    func path(of node: NodeID) -> RepositoryPath? {
        if node == .root { return .root }
        if let kept = paths.withLock({ $0[node.slot] }), kept.node == node { return kept.path }
        guard let record = table.record(of: node), record.flags.kind == .directory,
            let path = table.path(of: node.slot)
        else { return nil }
        paths.withLock { paths in
            if paths.count >= MountLimits.keptPaths { paths.removeAll(keepingCapacity: true) }
            paths[node.slot] = (node, path)
        }
        return path
    }

    /// A node's row, if it was asked for of late; that of a directory holds in one snapshot only.
    private func recentlyNamed(_ node: NodeID, _ view: MountedView) -> RecentEntries.Located? {
        guard let found = recent[node], !found.entry.isDirectory || found.view == view.number else { return nil }
        return found
    }

    /// A node's row, if what is loaded tells.
    func located(_ node: NodeID, _ view: MountedView) throws -> Place {
        if let found = recentlyNamed(node, view) { return .here(found.entry, found.catalog) }
        guard let record = table.record(of: node) else { return .absent }
        guard record.flags.kind != .directory else {
            guard let path = path(of: node) else { return .absent }
            return switch try view.snapshot.tree.lookUp(path) {
            case .found(let entry, let catalog): entry.isDirectory ? .here(entry, catalog) : .absent
            case .absent: .absent
            case .needs: .elsewhere
            }
        }
        guard let place = table.catalog(at: record.catalog) else { return .absent }
        let key = CatalogShelf.Key(hash: place.hash, folder: place.folder)
        var catalog = shelf[key]
        if catalog == nil, let path = table.path(of: place.folder),
            let loaded = view.snapshot.tree.catalog(at: path), loaded.hash == place.hash
        {
            catalog = loaded
        }
        guard let catalog else { return .elsewhere }
        guard let entry = try catalog.catalog.entry(rowID: Int64(record.row)) else { return .absent }
        recent.keep(RecentEntries.Located(node: node, entry: entry, catalog: catalog, view: view.number))
        return .here(entry, catalog)
    }

    /// A node's row, with what has to be loaded for it.
    func locate(
        _ node: NodeID, _ view: MountedView
    ) async throws -> (entry: CatalogEntry, catalog: CatalogTree.Mounted)? {
        guard let record = table.record(of: node) else { return nil }
        if record.flags.kind == .directory {
            guard let path = path(of: node), let found = try await resolve(path, in: view), found.entry.isDirectory
            else { return nil }
            return found
        }
        let answer = try await BlockingPool.shared.run { [self] in try located(node, view) }
        switch answer {
        case .here(let entry, let catalog): return (entry, catalog)
        case .absent: return nil
        case .elsewhere: break
        }
        guard let place = table.catalog(at: record.catalog), let path = table.path(of: place.folder) else { return nil }
        let catalog = try await CatalogTree.open(known: place.hash, size: place.size, at: path, fetcher: fetcher)
        shelf.keep(catalog, as: CatalogShelf.Key(hash: place.hash, folder: place.folder))
        return try await BlockingPool.shared.run { [self] in
            guard let entry = try catalog.catalog.entry(rowID: Int64(record.row)) else { return nil }
            recent.keep(RecentEntries.Located(node: node, entry: entry, catalog: catalog, view: view.number))
            return (entry, catalog)
        }
    }

    /// What a program is told of a failure.
    func errno(_ error: any Error) -> Errno {
        switch error {
        case is CancellationError: return .interrupted
        case let error as MountError where error.code == .full: return .noMemory
        default:
            mounted.countFailure()
            return .ioError
        }
    }
}

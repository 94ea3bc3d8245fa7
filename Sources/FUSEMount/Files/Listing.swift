internal import CVMFS
internal import FUSE
internal import Synchronization
internal import SystemPackage

/// Listings that are read on, so that the rows that were read and did not fit are not read again.
final class RecentListings: Sendable {
    private static let kept = 16

    private struct Listing {
        let node: NodeID
        let offset: UInt64
        let cursor: EntryCursor
        /// The cursor's own, which its tree may have let go of meanwhile.
        let catalog: CatalogTree.Mounted
    }

    private let state = Mutex<[Listing]>([])

    /// The cursor of a listing that stands at an offset, and its catalog.
    func take(_ node: NodeID, at offset: UInt64) -> (cursor: EntryCursor, catalog: CatalogTree.Mounted)? {
        state.withLock { listings in
            guard let index = listings.firstIndex(where: { $0.node == node && $0.offset == offset }) else { return nil }
            let listing = listings.remove(at: index)
            return (listing.cursor, listing.catalog)
        }
    }

    func keep(_ cursor: EntryCursor, in catalog: CatalogTree.Mounted, of node: NodeID, at offset: UInt64) {
        state.withLock { listings in
            if listings.count >= Self.kept { listings.removeFirst() }
            listings.append(Listing(node: node, offset: offset, cursor: cursor, catalog: catalog))
        }
    }
}

/// A position in a listing: the number of its view, and the last row that was given.
///
/// So a listing that began before a new revision goes on in the old one, and another process can go on with it.
private struct ListingPosition {
    private static let rowBits: UInt64 = 55
    /// `.` and `..` have 1 and 2.
    private static let firstRow: UInt64 = 2

    let view: UInt32
    let row: Int64

    init(view: UInt32, row: Int64) {
        self.view = view
        self.row = row
    }

    init(_ offset: UInt64) {
        view = UInt32(offset >> Self.rowBits & 0xFF)
        row = Int64(offset & (1 << Self.rowBits - 1)) - Int64(Self.firstRow)
    }

    /// `nil` for rows that no publisher makes.
    var offset: UInt64? {
        guard row > 0, UInt64(row) < 1 << (Self.rowBits - 1) else { return nil }
        return UInt64(view & 0xFF) << Self.rowBits | UInt64(row) + Self.firstRow
    }
}

extension SnapshotFileSystem {
    /// The view of a listing's position: its own if it is still kept, else the one in use.
    private func view(at position: ListingPosition) async throws -> MountedView {
        let current = views.current
        let number = current.number & ~0xFF | position.view
        let exact = number > current.number ? number &- 0x100 : number
        if let kept = views[exact] { return kept }
        // After another process took over, or after many revisions.
        let root = table.rootCatalog(ofView: exact)
        guard root != 0, let record = table.catalog(at: root) else { return current }
        let tree = try await mounted.snapshot(root: record.hash)
        return MountedView(number: exact, snapshot: tree)
    }

    func list(
        _ node: NodeID, from offset: UInt64, _ listings: RecentListings, _ reply: consuming DirectoryReply
    ) {
        guard let path = path(of: node) else { return reply.fail(.staleNFSFileHandle) }
        let position = ListingPosition(offset)
        let current = views.current
        let isCurrent = offset < 3 || position.view == current.number & 0xFF
        do {
            if isCurrent {
                if offset >= 3, let (cursor, catalog) = listings.take(node, at: offset) {
                    return fill(reply, node, path, current, listings, from: offset, cursor, catalog)
                }
                if case .loaded(let catalog) = try current.snapshot.tree.holder(ofChildrenIn: path) {
                    let cursor = try catalog.catalog.entries(in: path, after: offset < 3 ? .min : position.row)
                    return fill(reply, node, path, current, listings, from: offset, cursor, catalog)
                }
            }
            reply.later { [self] pending in
                do {
                    let view = isCurrent ? current : try await view(at: position)
                    let (catalog, cursor) = try await holder(of: path, view) { catalog in
                        try catalog.entries(in: path, after: offset < 3 ? .min : position.row)
                    }
                    try await BlockingPool.shared.run { [self] in
                        guard let reply = pending.take() else { return }
                        fill(reply, node, path, view, listings, from: offset, cursor, catalog)
                    }
                } catch { pending.take()?.fail(errno(error)) }
            }
        } catch { reply.fail(errno(error)) }
    }

    /// The catalog that has a directory's children, loading what it takes.
    func holder<Result: Sendable>(
        of path: RepositoryPath, _ view: MountedView, _ body: @escaping @Sendable (FileCatalog) throws -> Result
    ) async throws -> (CatalogTree.Mounted, Result) {
        while true {
            let holder = try await BlockingPool.shared.run { try view.snapshot.tree.holder(ofChildrenIn: path) }
            switch holder {
            case .loaded(let catalog):
                return (catalog, try await BlockingPool.shared.run { try body(catalog.catalog) })
            case .missing(let missing): try await view.snapshot.tree.load(missing)
            }
        }
    }

    private func fill(
        _ reply: consuming DirectoryReply, _ node: NodeID, _ path: RepositoryPath, _ view: MountedView,
        _ listings: RecentListings, from offset: UInt64, _ start: EntryCursor, _ catalog: CatalogTree.Mounted
    ) {
        var reply = reply
        let own = table.record(of: node)
        let digest = own?.digest ?? node.rawValue
        if offset < 1 {
            let dot = [UInt8(ascii: ".")]
            guard reply.add(dot.span, inode: digest, type: 4, next: 1) else { return reply.finish() }
        }
        if offset < 2 {
            let dots = [UInt8(ascii: "."), UInt8(ascii: ".")]
            let above = own.flatMap { table.digest(of: $0.parent) } ?? digest
            guard reply.add(dots.span, inode: above, type: 4, next: 2) else { return reply.finish() }
        }
        var cursor = start
        var last: UInt64?
        while true {
            let before = cursor
            let entry: CatalogEntry?
            do { entry = try cursor.next() } catch {
                // A malformed row is left out, what follows it is listed. Of a file that cannot be read, what was read
                // before is; where that was nothing it is an error: an empty answer would be the folder's end.
                if error.code == .malformedEntry { continue }
                if last == nil {
                    mounted.countFailure()
                    return reply.fail(.ioError)
                }
                return reply.finish()
            }
            guard let entry else { return reply.finish() }
            guard entry.name.isValid, let next = ListingPosition(view: view.number, row: entry.rowID).offset
            else { continue }
            guard add(entry, next: next, to: &reply, node, path, view, catalog) else {
                if let last { listings.keep(before, in: catalog, of: node, at: last) }
                return reply.finish()
            }
            last = next
        }
    }

    private func add(
        _ entry: CatalogEntry, next: UInt64, to reply: inout DirectoryReply, _ node: NodeID, _ path: RepositoryPath,
        _ view: MountedView, _ catalog: CatalogTree.Mounted
    ) -> Bool {
        if reply.withAttributes, let made = try? self.node(of: entry, in: catalog, of: path, parent: node, view) {
            let isAdded = reply.add(entry.name.bytes.span, made, next: next)
            if !isAdded { forget(made.node, lookups: 1) }
            return isAdded
        }
        // Without room in the table the kernel looks it up when it needs it.
        let inode =
            entry.isDirectory
            ? entry.name.bytes.withUnsafeBytes { Digest.directory($0, in: table.digest(of: node.slot) ?? 1) }
            : NodeIdentity(of: entry, folder: path.key).digest
        return reply.add(entry.name.bytes.span, inode: inode, type: (entry.mode & 0o170000) >> 12, next: next)
    }
}

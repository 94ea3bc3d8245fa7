public import CVMFS
public import FUSE
internal import Synchronization

/// A snapshot as the files of a mount that somebody else makes, and that lives no longer than this process.
///
/// There is no keeper, no status and no newer revision: what a container needs whose namespace ends with it.
public final class ServedSnapshot: Sendable {
    private let system: SnapshotFileSystem
    private let counting: ReadFiles

    /// - Parameters:
    ///   - snapshot: what the mount shows, from its root on.
    ///   - repository: where it comes from.
    ///   - store: the cache that the repository was opened with.
    ///   - ownership: whose the files appear to be.
    /// - Throws: `MountError` with `.systemCall` when there is no memory for the table of nodes.
    public init(
        _ snapshot: Snapshot, of repository: Repository, store: any ObjectStore, ownership: Ownership = .published
    ) throws {
        let table = try NodeTable()
        let configuration = MountConfiguration(repository: repository.name, servers: [], cache: "", mountpoint: "")
        let root = try table.catalog(snapshot.rootHash, size: snapshot.rootCatalogSize, mountedAt: NodeTable.root)
        let view = MountedView(number: table.beginView(root: root), snapshot: snapshot)
        system = SnapshotFileSystem(
            table: table, view: view, fetcher: repository.fetcher, ownership: ownership,
            contents: min(MountLimits.openContents, ProcessFigures.descriptorLimit / 8),
            mounted: MountedRepository(repository: repository, store: store, configuration: configuration))
        counting = ReadFiles(system)
    }

    /// For `Session.serve`.
    public var files: any FileSystem { counting }

    /// To be called when the session serves: it is asked to let go of nodes when there are too many.
    public func began(_ session: FUSE.Session) {
        let relief = TableRelief(table: system.table, session: session)
        system.onLittleRoom { relief.begin() }
    }

    /// Files of which something was read, each once.
    public var filesRead: Int { counting.count }
}

/// Counts the files that are read; everything else passes unchanged.
private final class ReadFiles: FileSystem {
    private let system: SnapshotFileSystem
    private let read = Mutex<Set<NodeID>>([])

    init(_ system: SnapshotFileSystem) { self.system = system }

    var count: Int { read.withLock { $0.count } }

    func read(
        _ node: NodeID, handle: FileHandle, at offset: UInt64, count: Int, _ request: Request,
        _ reply: consuming ReadReply
    ) {
        // Once a file is in the page cache nobody is asked, so this is no hot path.
        read.withLock { _ = $0.insert(node) }
        system.read(node, handle: handle, at: offset, count: count, request, reply)
    }

    func lookUp(_ name: Span<UInt8>, in parent: NodeID, _ request: Request, _ reply: consuming EntryReply) {
        system.lookUp(name, in: parent, request, reply)
    }

    func attributes(of node: NodeID, handle: FileHandle?, _ request: Request, _ reply: consuming AttributesReply) {
        system.attributes(of: node, handle: handle, request, reply)
    }

    func readLink(_ node: NodeID, _ request: Request, _ reply: consuming LinkReply) {
        system.readLink(node, request, reply)
    }

    func readDirectory(
        _ node: NodeID, handle: FileHandle, from offset: UInt64, _ request: Request, _ reply: consuming DirectoryReply
    ) { system.readDirectory(node, handle: handle, from: offset, request, reply) }

    func forget(_ node: NodeID, lookups: UInt64) { system.forget(node, lookups: lookups) }

    func statistics(_ request: Request, _ reply: consuming StatisticsReply) { system.statistics(request, reply) }

    func extendedAttribute(
        _ name: Span<UInt8>, of node: NodeID, _ request: Request, _ reply: consuming ExtendedAttributeReply
    ) { system.extendedAttribute(name, of: node, request, reply) }

    func extendedAttributeNames(of node: NodeID, _ request: Request, _ reply: consuming ExtendedAttributeReply) {
        system.extendedAttributeNames(of: node, request, reply)
    }

    func ended() { system.ended() }
}

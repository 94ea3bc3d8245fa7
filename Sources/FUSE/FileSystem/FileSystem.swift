internal import SystemPackage

/// A file system that answers the kernel.
///
/// A handler is called on a thread of the session, never on Swift's cooperative pool, and several at once. It answers by
/// consuming the reply: at once, or later from any thread after ``Reply/deferred()``. A reply that is dropped
/// unanswered fails with EIO. Names and other spans are the request's own memory: they end with the call.
///
/// An answer is read by the kernel out of this process's memory. If the process can be killed and replaced while its
/// mount lives on, that memory must be resident: bytes that were just written, or locked, or given as a descriptor;
/// never a file that is mapped.
///
/// Everything but the first five has a default: what is not there is answered ENOSYS, and the kernel asks no more.
public protocol FileSystem: Sendable {
    /// The entry `name` of a folder. An entry that is answered counts as a lookup, until as many were forgotten.
    func lookUp(_ name: Span<UInt8>, in parent: NodeID, _ request: Request, _ reply: consuming EntryReply)

    func attributes(of node: NodeID, handle: FileHandle?, _ request: Request, _ reply: consuming AttributesReply)

    func readLink(_ node: NodeID, _ request: Request, _ reply: consuming LinkReply)

    /// At most `count` bytes from `offset` on; fewer only at the end of the file.
    func read(
        _ node: NodeID, handle: FileHandle, at offset: UInt64, count: Int, _ request: Request,
        _ reply: consuming ReadReply)

    /// Records of a folder, from the one on whose predecessor had the position `offset`; 0 for the first.
    func readDirectory(
        _ node: NodeID, handle: FileHandle, from offset: UInt64, _ request: Request, _ reply: consuming DirectoryReply)

    /// The kernel has given up so many of the lookups that it had of a node. There is no answer.
    func forget(_ node: NodeID, lookups: UInt64)

    /// Not asked when the session agreed on doing without: see ``Features/noOpen``. `flags` as in open(2).
    func open(_ node: NodeID, flags: UInt32, _ request: Request, _ reply: consuming OpenReply)
    func release(_ node: NodeID, handle: FileHandle, flags: UInt32, _ request: Request, _ reply: consuming StatusReply)
    func flush(_ node: NodeID, handle: FileHandle, _ request: Request, _ reply: consuming StatusReply)

    /// Not asked when the session agreed on doing without: see ``Features/noOpenDirectory``.
    func openDirectory(_ node: NodeID, flags: UInt32, _ request: Request, _ reply: consuming OpenReply)
    func releaseDirectory(_ node: NodeID, handle: FileHandle, _ request: Request, _ reply: consuming StatusReply)

    func statistics(_ request: Request, _ reply: consuming StatisticsReply)

    func extendedAttribute(
        _ name: Span<UInt8>, of node: NodeID, _ request: Request, _ reply: consuming ExtendedAttributeReply)
    /// All names, each with a NUL behind it.
    func extendedAttributeNames(of node: NodeID, _ request: Request, _ reply: consuming ExtendedAttributeReply)

    /// access(2); not asked when the kernel checks permissions itself (``MountOptions/defaultPermissions``).
    func access(_ node: NodeID, mask: UInt32, _ request: Request, _ reply: consuming StatusReply)

    /// lseek(2) with SEEK_DATA (3) or SEEK_HOLE (4).
    func seek(
        _ node: NodeID, handle: FileHandle, from offset: UInt64, whence: UInt32, _ request: Request,
        _ reply: consuming OffsetReply)

    /// The mount is gone and no thread of the session runs any more.
    func ended()
}

extension FileSystem {
    public func forget(_ node: NodeID, lookups: UInt64) {}

    public func open(_ node: NodeID, flags: UInt32, _ request: Request, _ reply: consuming OpenReply) {
        reply.send(handle: .none, options: .keepCache)
    }

    public func release(
        _ node: NodeID, handle: FileHandle, flags: UInt32, _ request: Request, _ reply: consuming StatusReply
    ) { reply.succeed() }

    public func flush(_ node: NodeID, handle: FileHandle, _ request: Request, _ reply: consuming StatusReply) {
        reply.fail(.noFunction)
    }

    public func openDirectory(_ node: NodeID, flags: UInt32, _ request: Request, _ reply: consuming OpenReply) {
        reply.send(handle: .none, options: [.keepCache, .cacheListing])
    }

    public func releaseDirectory(
        _ node: NodeID, handle: FileHandle, _ request: Request, _ reply: consuming StatusReply
    ) { reply.succeed() }

    public func statistics(_ request: Request, _ reply: consuming StatisticsReply) { reply.send(Statistics()) }

    public func extendedAttribute(
        _ name: Span<UInt8>, of node: NodeID, _ request: Request, _ reply: consuming ExtendedAttributeReply
    ) { reply.fail(.noFunction) }

    public func extendedAttributeNames(
        of node: NodeID, _ request: Request, _ reply: consuming ExtendedAttributeReply
    ) { reply.fail(.noFunction) }

    public func access(_ node: NodeID, mask: UInt32, _ request: Request, _ reply: consuming StatusReply) {
        reply.fail(.noFunction)
    }

    public func seek(
        _ node: NodeID, handle: FileHandle, from offset: UInt64, whence: UInt32, _ request: Request,
        _ reply: consuming OffsetReply
    ) { reply.fail(.noFunction) }

    public func ended() {}
}

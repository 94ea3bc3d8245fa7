internal import SystemPackage

/// Which attributes setattr changes; what is `nil` stays.
public struct AttributeChanges: Hashable, Sendable {
    public enum Time: Hashable, Sendable {
        case now
        case at(Timestamp)
    }

    /// Permissions, with the type as it is.
    public var mode: UInt32?
    public var owner: UInt32?
    public var group: UInt32?
    public var size: UInt64?
    public var accessed: Time?
    public var modified: Time?
    public var changed: Timestamp?
    public var handle: FileHandle?

    public init() {}
}

/// A file system that can be written to. Without this every change is answered EROFS.
public protocol WritableFileSystem: FileSystem {
    func setAttributes(
        of node: NodeID, _ changes: AttributeChanges, _ request: Request, _ reply: consuming AttributesReply)
    /// A file, fifo, socket or device. The umask has been taken off `mode`.
    func makeNode(
        _ name: Span<UInt8>, in parent: NodeID, mode: UInt32, device: UInt32, _ request: Request,
        _ reply: consuming EntryReply)
    func makeDirectory(
        _ name: Span<UInt8>, in parent: NodeID, mode: UInt32, _ request: Request, _ reply: consuming EntryReply)
    func makeLink(
        _ name: Span<UInt8>, in parent: NodeID, to target: Span<UInt8>, _ request: Request,
        _ reply: consuming EntryReply)
    /// A further name of a node.
    func link(
        _ node: NodeID, as name: Span<UInt8>, in parent: NodeID, _ request: Request, _ reply: consuming EntryReply)
    func remove(_ name: Span<UInt8>, in parent: NodeID, _ request: Request, _ reply: consuming StatusReply)
    func removeDirectory(_ name: Span<UInt8>, in parent: NodeID, _ request: Request, _ reply: consuming StatusReply)
    /// `flags` as in renameat2(2).
    func rename(
        _ name: Span<UInt8>, in parent: NodeID, to newName: Span<UInt8>, in newParent: NodeID, flags: UInt32,
        _ request: Request, _ reply: consuming StatusReply)
    func write(
        _ bytes: RawSpan, to node: NodeID, handle: FileHandle, at offset: UInt64, _ request: Request,
        _ reply: consuming WriteReply)
    func synchronize(
        _ node: NodeID, handle: FileHandle, dataOnly: Bool, _ request: Request, _ reply: consuming StatusReply)
    /// `flags` as in setxattr(2).
    func setExtendedAttribute(
        _ name: Span<UInt8>, of node: NodeID, to value: RawSpan, flags: UInt32, _ request: Request,
        _ reply: consuming StatusReply)
    func removeExtendedAttribute(
        _ name: Span<UInt8>, of node: NodeID, _ request: Request, _ reply: consuming StatusReply)
}

extension WritableFileSystem {
    public func link(
        _ node: NodeID, as name: Span<UInt8>, in parent: NodeID, _ request: Request, _ reply: consuming EntryReply
    ) { reply.fail(.notPermitted) }

    public func synchronize(
        _ node: NodeID, handle: FileHandle, dataOnly: Bool, _ request: Request, _ reply: consuming StatusReply
    ) { reply.fail(.noFunction) }

    public func setExtendedAttribute(
        _ name: Span<UInt8>, of node: NodeID, to value: RawSpan, flags: UInt32, _ request: Request,
        _ reply: consuming StatusReply
    ) { reply.fail(.noFunction) }

    public func removeExtendedAttribute(
        _ name: Span<UInt8>, of node: NodeID, _ request: Request, _ reply: consuming StatusReply
    ) { reply.fail(.noFunction) }
}

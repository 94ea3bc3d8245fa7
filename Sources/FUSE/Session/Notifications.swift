internal import CFUSE
internal import Glibc
internal import SystemPackage

/// What a session tells the kernel by itself. Each returns whether the kernel knew the node or entry.
///
/// They can wait for requests that are open: a listing or a lookup in the same folder holds it. So they are never called
/// from a handler, nor from a thread that an answer waits for.
extension Session {
    /// What the kernel keeps of a node is not valid any more: its attributes, and content from `offset` on (all that
    /// follows for a length of 0). With a negative offset, its attributes alone.
    @discardableResult
    public func invalidate(_ node: NodeID, from offset: Int64 = 0, length: Int64 = 0) throws(FUSEError) -> Bool {
        try notify(
            Int32(FUSE_NOTIFY_INVAL_INODE.rawValue),
            fuse_notify_inval_inode_out(ino: node.rawValue, off: offset, len: length),
            "node \(node) cannot be invalidated")
    }

    /// A name may stand for something else now, or for nothing.
    /// - Parameters:
    ///   - name: the name in the folder.
    ///   - parent: the folder.
    ///   - expireOnly: it is asked for again, and not thrown out; ``Features/expireOnly`` is needed.
    @discardableResult
    public func invalidate(
        _ name: Span<UInt8>, in parent: NodeID, expireOnly: Bool = false
    ) throws(FUSEError) -> Bool {
        let flags: UInt32 = expireOnly && agreement.features.contains(.expireOnly) ? 1 : 0
        let body = fuse_notify_inval_entry_out(parent: parent.rawValue, namelen: UInt32(name.count), flags: flags)
        return try notify(
            Int32(FUSE_NOTIFY_INVAL_ENTRY.rawValue), body, name, "an entry of node \(parent) cannot be invalidated")
    }

    /// A name was removed, and watchers are told.
    @discardableResult
    public func delete(_ name: Span<UInt8>, of child: NodeID, in parent: NodeID) throws(FUSEError) -> Bool {
        let body = fuse_notify_delete_out(
            parent: parent.rawValue, child: child.rawValue, namelen: UInt32(name.count), padding: 0)
        return try notify(
            Int32(FUSE_NOTIFY_DELETE.rawValue), body, name, "an entry of node \(parent) cannot be removed")
    }

    /// Puts content into the page cache.
    @discardableResult
    public func store(_ bytes: RawSpan, of node: NodeID, at offset: UInt64) throws(FUSEError) -> Bool {
        let body = fuse_notify_store_out(
            nodeid: node.rawValue, offset: offset, size: UInt32(clamping: bytes.byteCount), padding: 0)
        let channel = try firstChannel()
        let result = bytes.withUnsafeBytes { bytes in
            withUnsafeBytes(of: body) {
                cfuse_notify(
                    channel.descriptor, Int32(FUSE_NOTIFY_STORE.rawValue), $0.baseAddress, $0.count, bytes.baseAddress,
                    bytes.count, 0)
            }
        }
        return try Self.judge(result, "content of node \(node) cannot be stored")
    }

    /// Everything that was read and not answered comes again, with a mark in its number. For a process that takes over.
    func resend() throws(FUSEError) {
        let channel = try firstChannel()
        // Of 7.40.
        let result = cfuse_notify(channel.descriptor, 7, nil, 0, nil, 0, 0)
        _ = try Self.judge(result, "the requests of the process before cannot be had again")
    }

    /// The kernel drops what it keeps of nodes that nobody uses, and forgets them (since Linux 6.18).
    @discardableResult
    public func prune(_ nodes: [NodeID]) throws(FUSEError) -> Bool {
        guard agreement.hasPrune else {
            throw FUSEError(.unsupported, "this kernel cannot be told to forget nodes (Linux 6.18 can)")
        }
        let channel = try firstChannel()
        var rest = nodes[...]
        while !rest.isEmpty {
            let some = rest.prefix(FUSELimits.prunedNodes).map(\.rawValue)
            rest = rest.dropFirst(some.count)
            let body = cfuse_notify_prune_out(count: UInt32(some.count), padding: 0, spare: 0)
            let result = some.withUnsafeBytes { nodes in
                withUnsafeBytes(of: body) {
                    // Of 7.45.
                    cfuse_notify(
                        channel.descriptor, 9, $0.baseAddress, $0.count, nodes.baseAddress, nodes.count, 0)
                }
            }
            _ = try Self.judge(result, "nodes cannot be pruned")
        }
        return true
    }

    private func notify<Body: BitwiseCopyable>(
        _ code: Int32, _ body: Body, _ failure: String
    ) throws(FUSEError) -> Bool {
        let channel = try firstChannel()
        let result = withUnsafeBytes(of: body) {
            cfuse_notify(channel.descriptor, code, $0.baseAddress, $0.count, nil, 0, 0)
        }
        return try Self.judge(result, failure)
    }

    private func notify<Body: BitwiseCopyable>(
        _ code: Int32, _ body: Body, _ name: Span<UInt8>, _ failure: String
    ) throws(FUSEError) -> Bool {
        let channel = try firstChannel()
        let result = name.withUnsafeBytes { name in
            withUnsafeBytes(of: body) {
                cfuse_notify(channel.descriptor, code, $0.baseAddress, $0.count, name.baseAddress, name.count, 1)
            }
        }
        return try Self.judge(result, failure)
    }

    private static func judge(_ result: Int32, _ failure: String) throws(FUSEError) -> Bool {
        switch -result {
        case 0: return true
        case ENOENT: return false
        case ENODEV, ENOTCONN, ECONNABORTED: throw FUSEError.systemCall(failure, result, .disconnected)
        default: throw FUSEError.systemCall(failure, result)
        }
    }
}

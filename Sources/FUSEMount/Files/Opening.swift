internal import CVMFS
internal import FUSE
internal import SystemPackage

/// OPEN, for mounts that have it: of files that are read directly, or by the kernel from the cache.
///
/// There is no handle that could be lost: how a node is open stands in the table of nodes.
extension SnapshotFileSystem {
    /// Of an open that the table of nodes counts.
    private static let counted = FileHandle(rawValue: 1)

    func open(_ node: NodeID, flags: UInt32, _ request: Request, _ reply: consuming OpenReply) {
        guard let record = table.record(of: node) else { return reply.fail(.staleNFSFileHandle) }
        if record.flags.isDirectIO || mounted.configuration.reading == .direct {
            return reply.send(handle: .none, options: [.directIO, .noFlush])
        }
        guard passThrough.isWanted, record.isOneObject else {
            return reply.send(handle: .none, options: [.keepCache, .noFlush])
        }
        if let backing = table.openAgain(node) { return Self.answer(reply, backing) }
        do {
            guard passThrough.isPossible else { return open(node, nil, reply) }
            if let content = try cachedContent(of: node), let object = try content.cached(0) {
                noteBeginning(of: node, isAtHand: object.isInMemory)
                return open(node, object, reply)
            }
        } catch { return reply.fail(errno(error)) }
        noteBeginning(of: node, isAtHand: false)
        reply.later { [self] pending in
            do {
                guard let content = try await content(of: node) else {
                    pending.take()?.fail(.staleNFSFileHandle)
                    return
                }
                let object = try await content.object(0, at: try await path(ofFile: node))
                try await BlockingPool.shared.run { [self] in
                    if let reply = pending.take() { open(node, object, reply) }
                }
            } catch { pending.take()?.fail(errno(error)) }
        }
    }

    func release(
        _ node: NodeID, handle: FileHandle, flags: UInt32, _ request: Request, _ reply: consuming StatusReply
    ) {
        // Answered before it is counted: what is sent again to another process must not count twice.
        reply.succeed()
        guard handle == Self.counted else { return }
        table.close(node)
        passThrough.closeUnused(of: table)
    }

    /// The first open of a node; all until the last close are the same way.
    ///
    /// - Parameter object: what the kernel shall read; `nil` when it is to ask.
    private func open(_ node: NodeID, _ object: (any StoredObject)?, _ reply: consuming OpenReply) {
        var offered = FileBacking.none
        if let object, passThrough.isPossible, let descriptor = try? object.withDescriptor({ $0 }) {
            do throws(FUSEError) {
                offered = FileBacking(number: try reply.register(descriptor).rawValue)
            } catch { passThrough.failed(error) }
        }
        // The descriptor is the object's.
        withExtendedLifetime(object) {}
        do throws(MountError) {
            let backing = try table.open(node, with: offered)
            if backing != offered { passThrough.drop(offered) }
            guard let backing else { return reply.fail(.staleNFSFileHandle) }
            Self.answer(reply, backing)
        } catch {
            passThrough.drop(offered)
            reply.fail(.noMemory)
        }
    }

    private static func answer(_ reply: consuming OpenReply, _ backing: FileBacking) {
        guard backing != .none else { return reply.send(handle: counted, options: [.keepCache, .noFlush]) }
        reply.send(handle: counted, passingThroughTo: BackingID(rawValue: backing.number))
    }
}

extension NodeRecord {
    /// Whether the content is that of one file of the cache. It never changes for a node.
    fileprivate var isOneObject: Bool {
        flags.kind == .file && !flags.isChunked && hash != nil && flags.compression != nil && size > 0
    }
}

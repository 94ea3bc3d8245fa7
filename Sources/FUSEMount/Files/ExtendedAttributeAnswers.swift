internal import CVMFS
internal import FUSE
internal import SystemPackage

extension SnapshotFileSystem {
    func extendedAttribute(
        _ name: Span<UInt8>, of node: NodeID, _ request: Request, _ reply: consuming ExtendedAttributeReply
    ) {
        let name = name.withUnsafeBufferPointer { Array($0) }
        let view = views.current
        do {
            switch try located(node, view) {
            case .absent: reply.fail(.staleNFSFileHandle)
            case .here(let entry, let catalog):
                guard MagicAttributes.isMagic(name), MagicAttributes.needsWaiting(name) else {
                    return answer(reply, name, try value(of: name, node, entry, catalog, view), node, entry)
                }
                fallthrough
            case .elsewhere:
                reply.later { [self] pending in
                    do {
                        guard let found = try await locate(node, view) else {
                            pending.take()?.fail(.staleNFSFileHandle)
                            return
                        }
                        var holder: CatalogTree.Mounted?
                        if MagicAttributes.needsWaiting(name) {
                            let path = try await path(ofAny: node)
                            let inside = found.entry.isDirectory ? path : path.parent ?? .root
                            holder = try await self.holder(of: inside, view) { _ in }.0
                        }
                        let metainfo = MagicAttributes.isMetainfo(name) ? try? await mounted.repository.metainfo() : nil
                        let catalog = holder ?? found.catalog
                        let value = try await BlockingPool.shared.run { [self] in
                            try self.value(of: name, node, found.entry, found.catalog, holder: catalog, view, metainfo)
                        }
                        guard let reply = pending.take() else { return }
                        answer(reply, name, value, node, found.entry)
                    } catch { pending.take()?.fail(errno(error)) }
                }
            }
        } catch { reply.fail(errno(error)) }
    }

    private func value(
        of name: [UInt8], _ node: NodeID, _ entry: CatalogEntry, _ catalog: CatalogTree.Mounted,
        holder: CatalogTree.Mounted? = nil, _ view: MountedView, _ metainfo: [UInt8]? = nil
    ) throws -> [UInt8]? {
        if MagicAttributes.isMagic(name) {
            return MagicAttributes(
                mounted: mounted, view: view, entry: entry, catalog: catalog, holder: holder ?? catalog,
                metainfo: metainfo, fileSystem: self
            ).value(of: name)
        }
        guard entry.hasXattrs else { return nil }
        return try catalog.catalog.xattrs(of: entry).attributes.first { $0.name == name }?.value
    }

    private func answer(
        _ reply: consuming ExtendedAttributeReply, _ name: [UInt8], _ value: [UInt8]?, _ node: NodeID,
        _ entry: CatalogEntry
    ) {
        if let value { return reply.send(value.span.bytes) }
        // Programs that list a tree ask for these of every entry, until they hear that there are none here at all.
        let isNever = MagicAttributes.securityNames.contains { $0.elementsEqual(name) }
        reply.fail(isNever ? .notSupportedOnSocket : .noData)
    }

    func extendedAttributeNames(
        of node: NodeID, _ request: Request, _ reply: consuming ExtendedAttributeReply
    ) {
        let view = views.current
        do {
            switch try located(node, view) {
            case .absent: reply.fail(.staleNFSFileHandle)
            case .here(let entry, let catalog):
                let list = try names(node, entry, catalog, view)
                reply.send(list.span.bytes)
            case .elsewhere:
                reply.later { [self] pending in
                    do {
                        guard let found = try await locate(node, view) else {
                            pending.take()?.fail(.staleNFSFileHandle)
                            return
                        }
                        let names = try await BlockingPool.shared.run { [self] in
                            try self.names(node, found.entry, found.catalog, view)
                        }
                        guard let reply = pending.take() else { return }
                        reply.send(names.span.bytes)
                    } catch { pending.take()?.fail(errno(error)) }
                }
            }
        } catch { reply.fail(errno(error)) }
    }

    private func names(
        _ node: NodeID, _ entry: CatalogEntry, _ catalog: CatalogTree.Mounted, _ view: MountedView
    ) throws -> [UInt8] {
        var list: [UInt8] = []
        let isListed =
            switch mounted.configuration.magicVisibility {
            case .always: true
            case .never: false
            case .rootonly: node == .root
            }
        if isListed {
            let magic = MagicAttributes(
                mounted: mounted, view: view, entry: entry, catalog: catalog, holder: catalog, metainfo: nil,
                fileSystem: self)
            for name in magic.names { list += Array(name.utf8) + [0] }
        }
        guard entry.hasXattrs else { return list }
        for attribute in try catalog.catalog.xattrs(of: entry).attributes where !MagicAttributes.isMagic(attribute.name)
        {
            list += attribute.name + [0]
        }
        return list
    }

    /// The path of any node.
    private func path(ofAny node: NodeID) async throws -> RepositoryPath {
        if let path = path(of: node) { return path }
        return try await path(ofFile: node)
    }
}

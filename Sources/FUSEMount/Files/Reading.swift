internal import CVMFS
internal import FUSE
internal import Synchronization
internal import SystemPackage

extension SnapshotFileSystem {
    func read(
        _ node: NodeID, handle: FileHandle, at offset: UInt64, count: Int, _ request: Request,
        _ reply: consuming ReadReply
    ) {
        do {
            guard let content = try cachedContent(of: node) else {
                return reply.later { [self] pending in
                    await answer(pending, node, nil, at: offset, count: count)
                }
            }
            guard offset < UInt64(content.size), count > 0 else {
                return reply.send(UnsafeRawBufferPointer(start: nil, count: 0))
            }
            let offset = Int64(offset)
            let end = min(offset + Int64(count), content.size)
            let index = content.index(at: offset)
            let part = content.parts[index]
            if part.end >= end {
                if let object = try content.cached(index) {
                    if offset == 0 { noteBeginning(of: node, isAtHand: object.isInMemory) }
                    readAhead(content, node, at: offset, count: count)
                    Self.answer(reply, object, part, offset, end)
                    return relieve(content, offset..<end)
                }
            } else if let objects = try cachedObjects(content, from: index, to: end) {
                readAhead(content, node, at: offset, count: count)
                Self.answer(reply, objects, content, from: index, offset, end)
                return relieve(content, offset..<end)
            }
            if offset == 0 { noteBeginning(of: node, isAtHand: false) }
            let wanted = UInt64(offset)
            reply.later { [self] pending in
                await answer(pending, node, content, at: wanted, count: count)
            }
        } catch { reply.fail(errno(error)) }
    }

    private func answer(
        _ pending: Deferred<ReadReply>, _ node: NodeID, _ known: NodeContent?, at offset: UInt64, count: Int
    ) async {
        do {
            guard let content = if let known { known } else { try await content(of: node) } else {
                pending.take()?.fail(.staleNFSFileHandle)
                return
            }
            guard offset < UInt64(content.size), count > 0 else {
                pending.take()?.send(UnsafeRawBufferPointer(start: nil, count: 0))
                return
            }
            let offset = Int64(offset)
            let end = min(offset + Int64(count), content.size)
            let first = content.index(at: offset)
            let path = try await path(ofFile: node)
            readAhead(content, node, at: offset, count: count)
            var objects: [any StoredObject] = []
            var index = first
            repeat {
                objects.append(try await content.object(index, at: path))
                index += 1
            } while content.parts[index - 1].end < end
            let found = objects
            try await BlockingPool.shared.run { [self] in
                guard let reply = pending.take() else { return }
                if found.count == 1 {
                    Self.answer(reply, found[0], content.parts[first], offset, end)
                } else {
                    Self.answer(reply, found, content, from: first, offset, end)
                }
                relieve(content, offset..<end)
            }
        } catch { pending.take()?.fail(errno(error)) }
    }

    private func relieve(_ content: NodeContent, _ bytes: Range<Int64>) {
        if isRelieving { content.relieve(afterReading: bytes) }
    }

    /// From one object's descriptor, without a copy in this process where the kernel can do it.
    private static func answer(
        _ reply: consuming ReadReply, _ object: any StoredObject, _ part: FilePart, _ offset: Int64, _ end: Int64
    ) {
        guard let descriptor = try? object.withDescriptor({ $0 }) else { return reply.fail(.ioError) }
        reply.send(from: descriptor, at: offset - part.offset, limit: Int(end - offset))
        // The descriptor is the object's.
        withExtendedLifetime(object) {}
    }

    private static func answer(
        _ reply: consuming ReadReply, _ objects: [any StoredObject], _ content: NodeContent, from first: Int,
        _ offset: Int64, _ end: Int64
    ) {
        var failed = false
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(end - offset), alignment: 16)
        defer { memory.deallocate() }
        var position = offset
        for (object, part) in zip(objects, content.parts[first...]) where position < end {
            let count = Int(min(end, part.end) - position)
            let start = Int(position - offset)
            let piece = UnsafeMutableRawBufferPointer(rebasing: memory[start..<(start + count)])
            if (try? object.read(into: piece, at: position - part.offset)) != count { failed = true }
            position += Int64(count)
        }
        if failed { return reply.fail(.ioError) }
        reply.send(UnsafeRawBufferPointer(memory))
    }

    private func cachedObjects(_ content: NodeContent, from first: Int, to end: Int64) throws -> [any StoredObject]? {
        var objects: [any StoredObject] = []
        var index = first
        repeat {
            guard let object = try content.cached(index) else { return nil }
            objects.append(object)
            index += 1
        } while content.parts[index - 1].end < end
        return objects
    }

    // MARK: Contents

    /// The content of a node, if what is loaded tells.
    func cachedContent(of node: NodeID) throws -> NodeContent? {
        if let content = contents[node] { return content }
        guard let record = table.record(of: node), record.flags.kind == .file else { return nil }
        // What is one object needs no catalog, which may be that of an old revision.
        if !record.flags.isChunked, let hash = record.hash, let compression = record.flags.compression {
            let part = FilePart(
                id: ObjectID(hash, kind: .file, compression: compression), offset: 0, size: record.size)
            let content = NodeContent(
                size: record.size, parts: record.size > 0 ? [part] : [], isChunked: false,
                isExternal: record.flags.isExternal, fetcher: fetcher)
            return contents.keep(content, of: node)
        }
        guard case .here(let entry, let catalog) = try located(node, views.current) else { return nil }
        return contents.keep(try content(of: entry, in: catalog), of: node)
    }

    func content(of node: NodeID) async throws -> NodeContent? {
        if let content = try await BlockingPool.shared.run({ [self] in try cachedContent(of: node) }) { return content }
        guard let found = try await locate(node, views.current), found.entry.kind == .file else { return nil }
        return try await BlockingPool.shared.run { [self] in
            contents.keep(try content(of: found.entry, in: found.catalog), of: node)
        }
    }

    private func content(of entry: CatalogEntry, in catalog: CatalogTree.Mounted) throws -> NodeContent {
        let chunks = entry.isChunked ? try catalog.catalog.chunks(of: entry) : []
        let parts = try FilePart.parts(
            of: entry, at: RepositoryPath.root.appending(entry.name), chunks: chunks)
        return NodeContent(
            size: entry.size, parts: parts, isChunked: entry.isChunked, isExternal: entry.isExternal, fetcher: fetcher)
    }

    /// The path of a file's node, of its first name.
    func path(ofFile node: NodeID) async throws -> RepositoryPath {
        guard let record = table.record(of: node), let folder = table.path(of: record.parent) else { return .root }
        if let recent = recent[node] { return folder.appending(recent.entry.name) }
        guard let found = try await locate(node, views.current) else { return folder }
        return folder.appending(found.entry.name)
    }

    // MARK: Ahead of need

    private func readAhead(_ content: NodeContent, _ node: NodeID, at offset: Int64, count: Int) {
        guard content.parts.count > 1 else { return }
        let ahead = content.partsAhead(at: offset, count: count)
        guard !ahead.isEmpty else { return }
        Task(priority: .low) { [self] in
            guard let path = try? await path(ofFile: node) else { return }
            await withTaskGroup(of: Void.self) { group in
                for index in ahead {
                    // A failure shows when the part is really read.
                    group.addTask { _ = try? await content.object(index, at: path, priority: .prefetch) }
                }
            }
        }
    }

    func noteBeginning(of node: NodeID, isAtHand: Bool) {
        guard let record = table.record(of: node), let place = table.catalog(at: record.catalog) else { return }
        sweep.began(
            SweepAhead.File(catalog: place.hash, row: Int64(record.row)), isAtHand: isAtHand, in: record.parent,
            views.current
        ) { [table] in table.path(of: record.parent) }
    }
}

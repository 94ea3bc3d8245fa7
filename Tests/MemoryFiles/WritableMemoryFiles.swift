package import FUSE
import Glibc
import Synchronization
import SystemPackage

/// The same, to be written to.
package final class WritableMemoryFiles: MemoryFiles, WritableFileSystem, @unchecked Sendable {
    package func setAttributes(
        of node: NodeID, _ changes: AttributeChanges, _ request: Request, _ reply: consuming AttributesReply
    ) {
        let found = state.withLock { state -> Attributes? in
            guard var found = state.nodes[node] else { return nil }
            if let mode = changes.mode { found.attributes.mode = mode }
            if let owner = changes.owner { found.attributes.owner = owner }
            if let group = changes.group { found.attributes.group = group }
            if case .at(let time)? = changes.modified { found.attributes.modified = time }
            if let size = changes.size, case .bytes(var bytes) = found.content {
                bytes = Array(bytes.prefix(Int(size)))
                bytes += Array(repeating: 0, count: Int(size) - bytes.count)
                found.content = .bytes(bytes)
                found.attributes.size = size
            }
            state.nodes[node] = found
            return found.attributes
        }
        if let found { reply.send(found, validity: validity) } else { reply.fail(.noSuchFileOrDirectory) }
    }

    private func make(
        _ name: Span<UInt8>, in parent: NodeID, mode: UInt32, _ content: MemoryNode.Content, device: UInt32 = 0,
        size: Int = 0, _ request: Request, _ reply: consuming EntryReply
    ) {
        let made = state.withLock { state -> Entry? in
            guard state.find(name, in: parent) == nil else { return nil }
            let number = NodeID(rawValue: state.next)
            state.next += 1
            let attributes = Attributes(
                inode: number.rawValue, mode: mode, size: UInt64(size), owner: request.user, group: request.group,
                device: device)
            state.nodes[number] = MemoryNode(attributes, content)
            state.link(name.indices.map { name[$0] }, number, into: parent)
            if state.countsLookups { state.lookups[number, default: 0] += 1 }
            return Entry(node: number, attributes: attributes, nameValidity: validity, attributesValidity: validity)
        }
        if let made { reply.send(made) } else { reply.fail(.fileExists) }
    }

    package func makeNode(
        _ name: Span<UInt8>, in parent: NodeID, mode: UInt32, device: UInt32, _ request: Request,
        _ reply: consuming EntryReply
    ) { make(name, in: parent, mode: mode, .bytes([]), device: device, request, reply) }

    package func makeDirectory(
        _ name: Span<UInt8>, in parent: NodeID, mode: UInt32, _ request: Request, _ reply: consuming EntryReply
    ) { make(name, in: parent, mode: S_IFDIR | mode, .none, request, reply) }

    package func makeLink(
        _ name: Span<UInt8>, in parent: NodeID, to target: Span<UInt8>, _ request: Request,
        _ reply: consuming EntryReply
    ) {
        let target = target.indices.map { target[$0] }
        make(name, in: parent, mode: S_IFLNK | 0o777, .link(target), size: target.count, request, reply)
    }

    package func link(
        _ node: NodeID, as name: Span<UInt8>, in parent: NodeID, _ request: Request, _ reply: consuming EntryReply
    ) {
        let linked = state.withLock { state -> Entry? in
            guard state.find(name, in: parent) == nil, state.nodes[node] != nil else { return nil }
            state.nodes[node]!.attributes.links += 1
            state.link(name.indices.map { name[$0] }, node, into: parent)
            if state.countsLookups { state.lookups[node, default: 0] += 1 }
            return Entry(
                node: node, attributes: state.nodes[node]!.attributes, nameValidity: validity,
                attributesValidity: validity)
        }
        if let linked { reply.send(linked) } else { reply.fail(.fileExists) }
    }

    package func remove(
        _ name: Span<UInt8>, in parent: NodeID, _ request: Request, _ reply: consuming StatusReply
    ) {
        let removed = state.withLock { state in
            let node = state.unlink(name, from: parent)
            if let node { state.nodes[node]?.attributes.links -= 1 }
            return node
        }
        if removed != nil { reply.succeed() } else { reply.fail(.noSuchFileOrDirectory) }
    }

    package func removeDirectory(
        _ name: Span<UInt8>, in parent: NodeID, _ request: Request, _ reply: consuming StatusReply
    ) {
        let error = state.withLock { state -> Int32 in
            guard let node = state.find(name, in: parent) else { return ENOENT }
            if state.nodes[node]!.entries.contains(where: { $0 != nil }) { return ENOTEMPTY }
            _ = state.unlink(name, from: parent)
            return 0
        }
        if error == 0 { reply.succeed() } else { reply.fail(.init(rawValue: error)) }
    }

    package func rename(
        _ name: Span<UInt8>, in parent: NodeID, to newName: Span<UInt8>, in newParent: NodeID, flags: UInt32,
        _ request: Request, _ reply: consuming StatusReply
    ) {
        if flags != 0 { return reply.fail(.invalidArgument) }
        let moved = state.withLock { state -> Bool in
            guard let node = state.unlink(name, from: parent) else { return false }
            _ = state.unlink(newName, from: newParent)
            state.link(newName.indices.map { newName[$0] }, node, into: newParent)
            return true
        }
        if moved { reply.succeed() } else { reply.fail(.noSuchFileOrDirectory) }
    }

    package func write(
        _ bytes: RawSpan, to node: NodeID, handle: FileHandle, at offset: UInt64, _ request: Request,
        _ reply: consuming WriteReply
    ) {
        let written = state.withLock { state -> Bool in
            guard case .bytes(var content)? = state.nodes[node]?.content else { return false }
            state.nodes[node]!.content = .none
            let end = Int(offset) + bytes.byteCount
            if content.count < end { content += Array(repeating: 0, count: end - content.count) }
            content.withUnsafeMutableBytes { content in
                bytes.withUnsafeBytes { content[Int(offset)..<end].copyBytes(from: $0) }
            }
            state.nodes[node]!.attributes.size = UInt64(content.count)
            state.nodes[node]!.content = .bytes(content)
            return true
        }
        if written { reply.send(written: bytes.byteCount) } else { reply.fail(.badFileDescriptor) }
    }

    package func setExtendedAttribute(
        _ name: Span<UInt8>, of node: NodeID, to value: RawSpan, flags: UInt32, _ request: Request,
        _ reply: consuming StatusReply
    ) {
        let name = name.indices.map { name[$0] }
        let value = value.withUnsafeBytes { Array($0) }
        state.withLock { state in
            state.nodes[node]?.extendedAttributes.removeAll { $0.name == name }
            state.nodes[node]?.extendedAttributes.append((name, value))
        }
        reply.succeed()
    }

    package func removeExtendedAttribute(
        _ name: Span<UInt8>, of node: NodeID, _ request: Request, _ reply: consuming StatusReply
    ) {
        let name = name.indices.map { name[$0] }
        let found = state.withLock { state in
            let before = state.nodes[node]?.extendedAttributes.count
            state.nodes[node]?.extendedAttributes.removeAll { $0.name == name }
            return before != state.nodes[node]?.extendedAttributes.count
        }
        if found { reply.succeed() } else { reply.fail(.noData) }
    }
}

package import FUSE
import Glibc
import Synchronization
import SystemPackage

/// A tree in memory, served read-only. A node's number is its inode's.
///
/// @unchecked: everything that changes is in a mutex; subclasses have nothing of their own.
package class MemoryFiles: FileSystem, @unchecked Sendable {
    struct Key: Hashable {
        var parent: NodeID
        var hash: UInt64
    }

    struct State {
        var nodes: [NodeID: MemoryNode] = [:]
        /// Where in its folder an entry is.
        var places: [Key: Int] = [:]
        var next: UInt64 = 2
        var lookups: [NodeID: UInt64] = [:]
        var countsLookups = false
        var waiting: [Deferred<ReadReply>] = []
        var isReleased = false
    }

    let state: Mutex<State>
    package let validity: Validity

    package init(validity: Validity = .forever) {
        self.validity = validity
        var state = State()
        state.nodes[.root] = MemoryNode(Attributes(inode: 1, mode: 0o40755, links: 2))
        self.state = Mutex(state)
    }

    // MARK: Making it

    @discardableResult
    package func add(
        _ name: String, _ content: MemoryNode.Content = .none, mode: UInt32? = nil, to parent: NodeID = .root,
        size: UInt64? = nil, extendedAttributes: [(String, String)] = []
    ) -> NodeID {
        state.withLock { state in
            let number = NodeID(rawValue: state.next)
            state.next += 1
            let (usual, length): (UInt32, Int) =
                switch content {
                case .none: (0o40755, 0)
                case .bytes(let bytes), .later(let bytes): (0o100644, bytes.count)
                case .link(let target): (0o120777, target.count)
                case .file, .passedThrough: (0o100644, 0)
                case .waiting, .failing: (0o100644, 4096)
                }
            var node = MemoryNode(
                Attributes(inode: number.rawValue, mode: mode ?? usual, size: size ?? UInt64(length)), content)
            node.extendedAttributes = extendedAttributes.map { (Array($0.utf8), Array($1.utf8)) }
            state.nodes[number] = node
            state.link(Array(name.utf8), number, into: parent)
            return number
        }
    }

    package func change(_ node: NodeID, _ body: (inout MemoryNode) -> Void) {
        state.withLock { body(&$0.nodes[node]!) }
    }

    package func remove(_ name: String, from parent: NodeID = .root) {
        state.withLock { _ = $0.unlink(Array(name.utf8).span, from: parent) }
    }

    /// Counts from now on how often each node was looked up and not forgotten.
    package func countLookups() { state.withLock { $0.countsLookups = true } }
    package func lookups(of node: NodeID) -> UInt64 { state.withLock { $0.lookups[node] ?? 0 } }
    package var waitingReads: Int { state.withLock { $0.waiting.count } }

    /// Answers all reads that wait, and those to come, with nothing.
    package func release() {
        let waiting = state.withLock { state in
            state.isReleased = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for one in waiting { one.take()?.send(UnsafeRawBufferPointer(start: nil, count: 0)) }
    }

    // MARK: Answering

    package func lookUp(
        _ name: Span<UInt8>, in parent: NodeID, _ request: Request, _ reply: consuming EntryReply
    ) {
        let found: Entry? = state.withLock { state in
            guard let number = state.find(name, in: parent), let node = state.nodes[number] else { return nil }
            if state.countsLookups { state.lookups[number, default: 0] += 1 }
            return Entry(
                node: number, attributes: node.attributes, nameValidity: validity, attributesValidity: validity)
        }
        if let found { reply.send(found) } else { reply.sendAbsent(validity: validity) }
    }

    package func forget(_ node: NodeID, lookups: UInt64) {
        state.withLock { state in
            if state.countsLookups { state.lookups[node, default: 0] -= min(lookups, state.lookups[node] ?? 0) }
        }
    }

    package func attributes(
        of node: NodeID, handle: FileHandle?, _ request: Request, _ reply: consuming AttributesReply
    ) {
        let found = state.withLock { $0.nodes[node]?.attributes }
        if let found { reply.send(found, validity: validity) } else { reply.fail(.noSuchFileOrDirectory) }
    }

    package func readLink(_ node: NodeID, _ request: Request, _ reply: consuming LinkReply) {
        guard case .link(let target)? = content(of: node) else { return reply.fail(.invalidArgument) }
        reply.send(target.span)
    }

    package func open(_ node: NodeID, flags: UInt32, _ request: Request, _ reply: consuming OpenReply) {
        switch content(of: node) {
        case .failing(let error): reply.fail(Errno(rawValue: error))
        case .passedThrough(let file): reply.send(handle: FileHandle(rawValue: node.rawValue), passingThroughTo: file)
        case .waiting: reply.send(handle: FileHandle(rawValue: node.rawValue), options: .directIO)
        default: reply.send(handle: FileHandle(rawValue: node.rawValue), options: .keepCache)
        }
    }

    package func read(
        _ node: NodeID, handle: FileHandle, at offset: UInt64, count: Int, _ request: Request,
        _ reply: consuming ReadReply
    ) {
        switch content(of: node) {
        case .bytes(let bytes): reply.send(bytes.span.bytes.extracting(part(of: bytes.count, offset, count)))
        case .file(let descriptor): reply.send(from: FileDescriptor(rawValue: descriptor), at: Int64(offset))
        case .failing(let error): reply.fail(Errno(rawValue: error))
        case .waiting:
            let pending = reply.deferred()
            let isReleased = state.withLock { state in
                if !state.isReleased { state.waiting.append(pending) }
                return state.isReleased
            }
            if isReleased { pending.take()?.send(UnsafeRawBufferPointer(start: nil, count: 0)) }
            pending.onInterrupt { [weak self] pending in
                pending.take()?.fail(.interrupted)
                self?.state.withLock { $0.waiting.removeAll { $0 === pending } }
            }
        case .later(let bytes):
            let part = part(of: bytes.count, offset, count)
            reply.later { pending in
                await Task.yield()
                pending.take()?.send(bytes.span.bytes.extracting(part))
            }
        case .passedThrough: reply.fail(.ioError)
        default: reply.fail(.isDirectory)
        }
    }

    private func part(of length: Int, _ offset: UInt64, _ count: Int) -> Range<Int> {
        let start = min(Int(offset), length)
        return start..<min(start + count, length)
    }

    package func readDirectory(
        _ node: NodeID, handle: FileHandle, from offset: UInt64, _ request: Request, _ reply: consuming DirectoryReply
    ) {
        let isFolder = state.withLock { state -> Bool in
            guard let folder = state.nodes[node], folder.attributes.mode & S_IFMT == S_IFDIR else { return false }
            var place = Int(min(offset, UInt64(folder.entries.count) + 2))
            while place < folder.entries.count + 2 {
                let next = UInt64(place + 1)
                if place < 2 {
                    let dots: [UInt8] = place == 0 ? [46] : [46, 46]
                    guard reply.add(dots.span, inode: node.rawValue, type: 4, next: next) else { break }
                } else if let entry = folder.entries[place - 2], let found = state.nodes[entry.node] {
                    let entry = (
                        entry.name,
                        Entry(
                            node: entry.node, attributes: found.attributes, nameValidity: validity,
                            attributesValidity: validity)
                    )
                    guard reply.add(entry.0.span, entry.1, next: next) else { break }
                    if state.countsLookups, reply.withAttributes { state.lookups[entry.1.node, default: 0] += 1 }
                }
                place += 1
            }
            return true
        }
        if isFolder { reply.finish() } else { reply.fail(.notDirectory) }
    }

    package func statistics(_ request: Request, _ reply: consuming StatisticsReply) {
        let files = state.withLock { $0.nodes.count }
        reply.send(Statistics(blocks: 1000, freeBlocks: 400, availableBlocks: 300, files: UInt64(files), freeFiles: 7))
    }

    package func extendedAttribute(
        _ name: Span<UInt8>, of node: NodeID, _ request: Request, _ reply: consuming ExtendedAttributeReply
    ) {
        let value = state.withLock { state in
            state.nodes[node]?.extendedAttributes.first { sameBytes($0.name.span, name) }?.value
        }
        if let value { reply.send(value.span.bytes) } else { reply.sendAbsent() }
    }

    package func extendedAttributeNames(
        of node: NodeID, _ request: Request, _ reply: consuming ExtendedAttributeReply
    ) {
        let names: [UInt8] = state.withLock { state in
            (state.nodes[node]?.extendedAttributes ?? []).flatMap { $0.name + [0] }
        }
        reply.send(names.span.bytes)
    }

    package func seek(
        _ node: NodeID, handle: FileHandle, from offset: UInt64, whence: UInt32, _ request: Request,
        _ reply: consuming OffsetReply
    ) {
        guard let size = state.withLock({ $0.nodes[node]?.attributes.size }), offset < size else {
            return reply.fail(.noSuchAddressOrDevice)
        }
        // No holes but the one at the end.
        reply.send(whence == 3 ? offset : size)
    }

    private func content(of node: NodeID) -> MemoryNode.Content? { state.withLock { $0.nodes[node]?.content } }
}

extension MemoryFiles.State {
    mutating func link(_ name: [UInt8], _ node: NodeID, into parent: NodeID) {
        places[MemoryFiles.Key(parent: parent, hash: hash(name.span))] = nodes[parent]!.entries.count
        nodes[parent]!.entries.append((name, node))
    }

    func find(_ name: Span<UInt8>, in parent: NodeID) -> NodeID? {
        guard let place = places[MemoryFiles.Key(parent: parent, hash: hash(name))] else { return nil }
        return nodes[parent]?.entries[place]?.node
    }

    mutating func unlink(_ name: Span<UInt8>, from parent: NodeID) -> NodeID? {
        guard let place = places.removeValue(forKey: MemoryFiles.Key(parent: parent, hash: hash(name))) else {
            return nil
        }
        defer { nodes[parent]?.entries[place] = nil }
        return nodes[parent]?.entries[place]?.node
    }
}

/// FNV-1a, 64 bits: names in tests do not collide.
private func hash(_ name: Span<UInt8>) -> UInt64 {
    var value: UInt64 = 0xcbf2_9ce4_8422_2325
    for index in name.indices { value = (value ^ UInt64(name[index])) &* 0x100_0000_01b3 }
    return value
}

func sameBytes(_ one: Span<UInt8>, _ other: Span<UInt8>) -> Bool {
    guard one.count == other.count else { return false }
    for index in one.indices where one[index] != other[index] { return false }
    return true
}

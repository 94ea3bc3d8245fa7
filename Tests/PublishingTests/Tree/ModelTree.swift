import CASCore
import Catalog
import FixtureTrees

@testable import Publishing

/// A tree as it is meant to be: what is published of it must read back the same.
struct ModelTree {
    struct Node: Hashable {
        var kind: EntryKind
        var permissions: UInt32 = 0o644
        var uid: UInt32 = 0
        var gid: UInt32 = 0
        var mtime: Int64 = 0
        var nanoseconds: Int32? = 0
        var target: [UInt8] = []
        var device: DeviceNumber?
        var xattrs: [ExtendedAttributes.Attribute] = []
        var content: [UInt8] = []
        /// The same for all names of one file.
        var link: UInt64?
    }

    private(set) var nodes: [RepositoryPath: Node]

    init(root: Node = Node(kind: .directory, permissions: 0o755)) { nodes = [.root: root] }

    /// Entries in the order of a walk.
    var walk: [(path: RepositoryPath, node: Node)] {
        nodes.map { (path: $0.key, node: $0.value) }.sorted {
            $0.path.components.lexicographicallyPrecedes($1.path.components)
        }
    }

    var directories: [RepositoryPath] { walk.filter { $0.node.kind == .directory }.map(\.path) }

    subscript(path: RepositoryPath) -> Node? {
        get { nodes[path] }
        set { nodes[path] = newValue }
    }

    mutating func remove(_ path: RepositoryPath) { nodes = nodes.filter { !$0.key.isInside(path) } }

    /// The part below a path, as a tree of its own.
    func subtree(_ top: RepositoryPath) -> ModelTree {
        var part = ModelTree()
        for (path, node) in nodes { if let inner = path.relative(to: top) { part.nodes[inner] = node } }
        return part
    }

    mutating func replace(_ top: RepositoryPath, with tree: ModelTree) {
        remove(top)
        for (path, node) in tree.nodes { nodes[top.appending(path)] = node }
    }

    /// One line an entry, with everything that readers see of it.
    func lines() -> [String] {
        var subdirectories: [RepositoryPath: Int] = [:]
        var members: [RepositoryPath: [UInt64: [FileName]]] = [:]
        for (path, node) in nodes {
            guard let parent = path.parent else { continue }
            if node.kind == .directory { subdirectories[parent, default: 0] += 1 }
            if let link = node.link { members[parent, default: [:]][link, default: []].append(path.name) }
        }
        return walk.map { path, node in
            let group = node.link.flatMap { members[path.parent ?? .root]?[$0] }?.sorted() ?? [path.name]
            let links = node.kind == .directory ? 2 + (subdirectories[path] ?? 0) : group.count
            return Self.line(
                path, node.kind, node.permissions, node.uid, node.gid, node.mtime, node.nanoseconds, node.target,
                node.device, node.xattrs.sorted { $0.name.lexicographicallyPrecedes($1.name) }, node.content, links,
                group.count > 1 ? group : [])
        }
    }

    static func line(
        _ path: RepositoryPath, _ kind: EntryKind, _ permissions: UInt32, _ uid: UInt32, _ gid: UInt32, _ mtime: Int64,
        _ nanoseconds: Int32?, _ target: [UInt8], _ device: DeviceNumber?,
        _ xattrs: [ExtendedAttributes.Attribute], _ content: [UInt8], _ links: Int, _ group: [FileName]
    ) -> String {
        let attributes = xattrs.map { "\($0.name)=\($0.value)" }.joined(separator: ",")
        let names = group.map { "\($0.bytes)" }.joined(separator: "+")
        let digest = content.isEmpty ? "" : ContentHash(hashing: content, with: .sha1).description
        let number = device.map { "\($0.major):\($0.minor)" } ?? ""
        return "\(path) \(path.bytes.count) \(kind) \(String(permissions, radix: 8)) \(uid):\(gid) "
            + "\(mtime).\(nanoseconds.map { "\($0)" } ?? "-") \(target) \(number) "
            + "[\(attributes)] \(content.count) \(digest) \(links) \(names)"
    }

    // MARK: Random trees

    static func random(_ random: inout SeededGenerator, entries: Int) -> ModelTree {
        var tree = ModelTree(root: node(.directory, &random))
        tree.grow(by: entries, &random)
        return tree
    }

    mutating func grow(by entries: Int, _ random: inout SeededGenerator) {
        var directories = directories
        for _ in 0..<entries {
            let parent = directories[Int.random(in: 0..<directories.count, using: &random)]
            let path = parent.appending(Self.name(&random))
            guard nodes[path] == nil else { continue }
            let kind = Self.kind(&random)
            var node = Self.node(kind, &random)
            // Another name of a file that is there, most often of the same directory.
            if kind == .file, Int.random(in: 0..<4, using: &random) == 0,
                let (other, first) = nodes.filter({ $0.value.kind == .file }).sorted(by: { $0.key < $1.key })
                    .randomElement(using: &random)
            {
                var linked = first
                linked.link = first.link ?? random.next()
                // All names of a file have the same attributes.
                for (name, member) in nodes where name == other || member.link != nil && member.link == linked.link {
                    nodes[name] = linked
                }
                node = linked
            }
            nodes[path] = node
            if kind == .directory { directories.append(path) }
        }
    }

    /// Changes some entries, removes some, and adds some.
    mutating func mutate(_ random: inout SeededGenerator, changes: Int) {
        for _ in 0..<changes {
            let paths = nodes.keys.filter { !$0.isRoot }.sorted()
            guard let path = paths.randomElement(using: &random), var node = nodes[path] else { continue }
            switch Int.random(in: 0..<6, using: &random) {
            case 0: remove(path)
            case 1:
                remove(path)
                nodes[path] = Self.node(Self.kind(&random), &random)
            case 2 where node.link == nil:
                node.mtime += 1
                node.permissions = 0o600
                nodes[path] = node
            case 3 where node.link == nil && node.kind == .file:
                node.content = random.text(Int.random(in: 0...3000, using: &random))
                nodes[path] = node
            case 4 where node.link == nil:
                node.xattrs = Self.xattrs(&random)
                nodes[path] = node
            default: grow(by: 2, &random)
            }
        }
        // A link without other names is none.
        for (path, node) in nodes {
            guard let link = node.link, nodes.count(where: { $0.value.link == link }) == 1 else { continue }
            nodes[path]?.link = nil
        }
    }

    private static func kind(_ random: inout SeededGenerator) -> EntryKind {
        let kinds: [EntryKind] = [
            .file, .file, .file, .file, .file, .directory, .directory, .directory, .symlink, .symlink, .fifo, .socket,
            .character, .block,
        ]
        return kinds[Int.random(in: 0..<kinds.count, using: &random)]
    }

    private static func node(_ kind: EntryKind, _ random: inout SeededGenerator) -> Node {
        var node = Node(kind: kind, permissions: UInt32.random(in: 0...0o7777, using: &random))
        node.uid = [0, 1000, UInt32.max][Int.random(in: 0..<3, using: &random)]
        node.gid = UInt32.random(in: 0...70_000, using: &random)
        node.mtime = Int64.random(in: -1000...2_000_000_000, using: &random)
        node.nanoseconds = Int32.random(in: 0..<1_000_000_000, using: &random)
        switch kind {
        case .file: node.content = random.text([0, 1, 100, 5000][Int.random(in: 0..<4, using: &random)])
        case .symlink: node.target = Array("../$(VAR:-x)/target\(random.next() % 100)".utf8)
        case .character, .block:
            node.device = DeviceNumber(
                major: UInt32.random(in: 0...4095, using: &random), minor: UInt32.random(in: 0...70_000, using: &random)
            )
        case .directory, .fifo, .socket: break
        }
        if Int.random(in: 0..<5, using: &random) == 0 { node.xattrs = xattrs(&random) }
        return node
    }

    private static func xattrs(_ random: inout SeededGenerator) -> [ExtendedAttributes.Attribute] {
        (0..<Int.random(in: 0...3, using: &random)).map {
            ExtendedAttributes.Attribute(
                name: Array("user.\($0)".utf8), value: random.noise(Int.random(in: 0...255, using: &random)))
        }
    }

    private static func name(_ random: inout SeededGenerator) -> FileName {
        let alphabet: [UInt8] =
            Array("abcde".utf8) + [UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: " "), 0xFF, 10]
        while true {
            let name = FileName(
                bytes: (0..<Int.random(in: 1...5, using: &random)).map { _ in
                    alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
                })
            if name.isValid { return name }
        }
    }
}

/// A model as the source of a publication.
struct ModelSource: TreeSource {
    let label = "model"
    private let entries: [(path: RepositoryPath, node: ModelTree.Node)]
    private var index = 0
    /// Told of every file that is read.
    var reads: (@Sendable (RepositoryPath) -> Void)?

    init(_ tree: ModelTree) { entries = tree.walk }

    mutating func next() -> SourceEntry? {
        guard index < entries.count else { return nil }
        let (path, node) = entries[index]
        index += 1
        var entry = SourceEntry(
            path: path, kind: node.kind, permissions: node.permissions, uid: node.uid, gid: node.gid, mtime: node.mtime,
            mtimeNanoseconds: node.nanoseconds)
        entry.target = node.target
        entry.device = node.device
        entry.xattrs = node.xattrs
        if let link = node.link { entry.hardlink = HardlinkIdentity(device: 1, inode: link) }
        if node.kind == .file {
            let (content, reads) = (node.content, reads)
            entry.content = .unread(size: Int64(content.count), identity: nil) {
                reads?(path)
                return BytesSource(content, label: "\(path)")
            }
        }
        return entry
    }
}

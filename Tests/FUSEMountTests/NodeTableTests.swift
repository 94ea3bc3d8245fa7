import CASCore
import FUSE
import SystemPackage
import Testing

@testable import FUSEMount

@Suite struct NodeTableTests {
    private static func name(_ text: String) -> [UInt8] { Array(text.utf8) }

    private func folder(_ text: String, in parent: UInt32, of table: NodeTable) throws -> NodeID {
        try Self.name(text).withUnsafeBytes { name throws(MountError) in try table.directory(name, in: parent) }
    }

    private func file(_ number: UInt64, in parent: UInt32, of table: NodeTable) throws -> NodeID {
        var flags = SlotFlags(.file)
        flags.rawValue |= 1 << 4 | 1 << 12
        let identity = NodeIdentity(payload: (number, number, number, 7), digest: number &* 0x9E37_79B9, flags: flags)
        let hash = ContentHash(hashing: [UInt8(1)].span.bytes, with: .sha1)
        return try table.node(
            identity, in: parent, catalog: CatalogPlace(hash: hash, size: 10, levels: 0), row: Int64(number))
    }

    @Test func `A folder is one node, whatever its name's length, and its path is found again`() throws {
        let table = try NodeTable(capacity: 4096)
        var parent = NodeTable.root
        var path: [String] = []
        for length in [1, 27, 28, 29, 56, 57, 112, 113, 254, 255] {
            let name = String(repeating: "n", count: length - 1) + "\(length % 10)"
            let node = try folder(name, in: parent, of: table)
            #expect(try folder(name, in: parent, of: table) == node)
            path.append(name)
            #expect(table.path(of: node.slot)?.description == "/" + path.joined(separator: "/"))
            #expect(table.name(of: node.slot) == Self.name(name))
            #expect(table.digest(of: node.slot) == table.record(of: node)?.digest)
            #expect(table.digest(ofFolder: node) == table.record(of: node)?.digest)
            parent = node.slot
        }
        #expect(throws: MountError.self) { try folder(String(repeating: "n", count: 256), in: parent, of: table) }
    }

    @Test func `What the kernel has forgotten is reused, under another number`() throws {
        let table = try NodeTable(capacity: 4096)
        let first = try folder("a", in: NodeTable.root, of: table)
        let inner = try file(3, in: first.slot, of: table)
        #expect(try file(3, in: first.slot, of: table) == inner)
        // The folder goes only after what is in it.
        #expect(!table.forget(first, lookups: 1))
        #expect(table.path(of: first.slot) != nil)
        #expect(!table.forget(inner, lookups: 1))
        #expect(table.forget(inner, lookups: 1))
        #expect(table.record(of: inner) == nil)
        #expect(table.record(of: first) == nil)
        let again = try folder("b", in: NodeTable.root, of: table)
        let other = try folder("c", in: NodeTable.root, of: table)
        #expect(![first, inner].contains(again) && ![first, inner].contains(other))
        #expect([again.slot, other.slot].contains(first.slot))
        #expect(table.usage.records == 3)
    }

    @Test func `A file that is open is open in one way, until the last close or until it is forgotten`() throws {
        let table = try NodeTable(capacity: 4096)
        let node = try file(3, in: NodeTable.root, of: table)
        let backing = FileBacking(number: 7)
        #expect(table.openAgain(node) == nil)
        #expect(try table.open(node, with: backing) == backing)
        // Another thread was not faster, and is told what counts.
        #expect(try table.open(node, with: FileBacking(number: 8)) == backing)
        #expect(table.openAgain(node) == backing)
        for _ in 0..<2 {
            table.close(node)
            #expect(table.takeClosed().isEmpty)
        }
        table.close(node)
        let closed = table.takeClosed()
        #expect(closed.map(\.backing) == [backing])
        #expect(table.takeClosed().isEmpty && table.passedThroughCount == 0)
        let used = table.usage.records
        for one in closed { table.finish(one) }
        #expect(table.usage.records == used - 1)
        // What has no backing needs no closing.
        #expect(try table.open(node, with: .none) == FileBacking.none)
        #expect(table.openAgain(node) == FileBacking.none)
        for _ in 0..<2 { table.close(node) }
        #expect(table.openAgain(node) == nil && table.takeClosed().isEmpty)
        // Opens of a killed process that nobody will close end with the node.
        #expect(try table.open(node, with: backing) == backing)
        #expect(table.forget(node, lookups: 1))
        #expect(table.takeClosed().map(\.backing) == [backing])
        #expect(try table.open(node, with: backing) == nil)
    }

    @Test func `Another process knows how files are open, and closes what nobody has open`() throws {
        let table = try NodeTable(capacity: 4096)
        let open = try file(3, in: NodeTable.root, of: table)
        let closing = try file(4, in: NodeTable.root, of: table)
        _ = try table.open(open, with: FileBacking(number: 7))
        _ = try table.open(closing, with: FileBacking(number: 8))
        // Killed before its backing was closed.
        table.close(closing)
        let next = try NodeTable(
            capacity: 4096, existing: FileDescriptor(rawValue: table.memory.descriptor).duplicate().rawValue)
        #expect(next.takeClosed().map { $0.backing.number } == [8])
        #expect(next.passedThroughCount == 1)
        #expect(next.openAgain(closing) == nil)
        #expect(next.openAgain(open)?.number == 7)
    }

    @Test func `Another process finds every node, and frees what nothing needs`() throws {
        let table = try NodeTable(capacity: 1 << 14)
        let long = String(repeating: "long", count: 60)
        var nodes: [NodeID: String?] = [:]
        var files: [(UInt64, NodeID)] = []
        for index in 0..<20 {
            let node = try folder("\(long)\(index)", in: NodeTable.root, of: table)
            nodes[node] = table.path(of: node.slot)?.description
            for number in 0..<50 {
                let file = try file(UInt64(index * 50 + number + 1), in: node.slot, of: table)
                files.append((UInt64(index * 50 + number + 1), file))
            }
        }
        // Half of the files go again.
        for (number, file) in files where number % 2 == 0 { #expect(table.forget(file, lookups: 1)) }
        let hash = ContentHash(hashing: [UInt8(2)].span.bytes, with: .ripemd160)
        let root = try table.catalog(hash, size: 5, mountedAt: NodeTable.root)
        _ = table.beginView(root: root)
        let before = table.usage.records

        let duplicate = try FileDescriptor(rawValue: table.memory.descriptor).duplicate()
        let other = try NodeTable(capacity: 1 << 14, existing: duplicate.rawValue)
        #expect(other.usage.records == before)
        for (node, path) in nodes { #expect(other.path(of: node.slot)?.description == path) }
        for (number, node) in files {
            let record = other.record(of: node)
            #expect((record != nil) == (number % 2 == 1))
            if let record { #expect(record.row == UInt32(number) && record.size != 0) }
        }
        #expect(other.catalog(at: other.view.root)?.hash == hash)
        #expect(other.view.number == 1)
        // And goes on with it: the same files are the same nodes.
        let (number, node) = files[0]
        let parent = try #require(other.record(of: node)).parent
        #expect(try file(number, in: parent, of: other) == node)
        #expect(other.forget(node, lookups: 2))
    }

    @Test func `A table that is full says so, and has room again when something is forgotten`() throws {
        let table = try NodeTable(capacity: 64)
        var nodes: [NodeID] = []
        #expect(throws: MountError.self) {
            for index in 0..<64 { nodes.append(try folder("f\(index)", in: NodeTable.root, of: table)) }
        }
        #expect(nodes.count == 62)
        #expect(table.isNearlyFull)
        #expect(table.forget(nodes[7], lookups: 1))
        _ = try folder("new", in: NodeTable.root, of: table)
        #expect(table.record(of: nodes[8]) != nil)
    }

    @Test func `A random history of lookups and forgets leaves exactly what is known`() throws {
        var seed = UInt64.random(in: 1 ... .max)
        print("seed \(seed)")
        func random(_ bound: Int) -> Int {
            seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(seed >> 33) % bound
        }
        let table = try NodeTable(capacity: 1 << 14)
        var known: [NodeID: UInt64] = [:]
        for _ in 0..<20_000 {
            if random(3) > 0 || known.isEmpty {
                let node = try file(UInt64(random(2000) + 1), in: NodeTable.root, of: table)
                known[node, default: 0] += 1
            } else if let node = known.keys.first, let count = known[node] {
                let less = UInt64(random(Int(count)) + 1)
                #expect(table.forget(node, lookups: less) == (less == count))
                known[node] = less == count ? nil : count - less
            }
        }
        // The root, the catalog of the files, and the files.
        #expect(table.usage.records == known.count + (known.isEmpty ? 1 : 2))
        for node in known.keys { #expect(table.record(of: node) != nil) }
    }
}

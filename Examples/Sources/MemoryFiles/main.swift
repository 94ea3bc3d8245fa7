// A file system of two files in memory, served until it is unmounted: memory-files MOUNTPOINT
import FUSE
import Glibc
import SystemPackage

struct MemoryFiles: FileSystem {
    struct File { let name, content: String }

    // A node's number: 1 is the folder itself, 2 the first file.
    let files = [File(name: "hello", content: "Hello from Swift.\n"), File(name: "pi", content: "3.14159\n")]

    func file(_ node: NodeID) -> File? {
        files.indices.contains(Int(node.rawValue) - 2) ? files[Int(node.rawValue) - 2] : nil
    }

    func entry(_ index: Int) -> Entry {
        let node = NodeID(rawValue: UInt64(index + 2))
        let size = UInt64(files[index].content.utf8.count)
        return Entry(node: node, attributes: Attributes(inode: node.rawValue, mode: S_IFREG | 0o444, size: size))
    }

    func lookUp(_ name: Span<UInt8>, in parent: NodeID, _ request: Request, _ reply: consuming EntryReply) {
        let wanted = name.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        guard let index = files.firstIndex(where: { $0.name == wanted }) else {
            return reply.sendAbsent(validity: .forever)
        }
        reply.send(entry(index))
    }

    func attributes(of node: NodeID, handle: FileHandle?, _ request: Request, _ reply: consuming AttributesReply) {
        if node == .root { return reply.send(Attributes(inode: 1, mode: S_IFDIR | 0o555, links: 2)) }
        guard file(node) != nil else { return reply.fail(.noSuchFileOrDirectory) }
        reply.send(entry(Int(node.rawValue) - 2).attributes)
    }

    func readLink(_ node: NodeID, _ request: Request, _ reply: consuming LinkReply) { reply.fail(.invalidArgument) }

    func read(
        _ node: NodeID, handle: FileHandle, at offset: UInt64, count: Int, _ request: Request,
        _ reply: consuming ReadReply
    ) {
        guard let file = file(node) else { return reply.fail(.isDirectory) }
        let content = Array(file.content.utf8)
        let start = min(Int(offset), content.count)
        reply.send(content.span.bytes.extracting(start..<min(start + count, content.count)))
    }

    func readDirectory(
        _ node: NodeID, handle: FileHandle, from offset: UInt64, _ request: Request, _ reply: consuming DirectoryReply
    ) {
        for index in files.indices.dropFirst(Int(offset)) {
            guard reply.add(Array(files[index].name.utf8).span, entry(index), next: UInt64(index + 1)) else { break }
        }
        reply.finish()
    }
}

let session = try Session.mount(MemoryFiles(), at: CommandLine.arguments[1], options: MountOptions(source: "memory"))
print("in use: \(session.agreement.features.words.contains("no-open") ? "no request for an open" : "OPEN")")
fflush(nil)
await session.ended()
print("unmounted")

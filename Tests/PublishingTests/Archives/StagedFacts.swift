import CASCore
import Catalog
import LocalServers
import SystemPackage
import Testing

@testable import Publishing

/// A storage folder, and a pipeline into it.
final class ArchiveStorage {
    let folder: TemporaryFolder
    let storage: LocalStorage
    let pipeline: ContentPipeline

    init(chunkSizes: ChunkSizes? = .standard) throws {
        folder = try TemporaryFolder("storage")
        storage = try LocalStorage(at: "\(folder.path)/storage", creates: true)
        var options = ContentOptions()
        options.chunkSizes = chunkSizes
        pipeline = try ContentPipeline(storage: storage, options: options)
    }

    /// Stages a tar archive, with its contents in the storage.
    func stage(_ stream: any ByteStream, isLayer: Bool = false) async throws -> StagedTree {
        let tree = try StagedTree(scratchFolder: folder.path, label: "archive")
        var ingest = ArchiveIngest(into: tree, contents: .stored(pipeline), isLayer: isLayer)
        try await ingest.add(TarReader(stream))
        return tree
    }

    /// Everything in a staged tree, by path, as `FolderFacts` has it of a folder; also checks the order.
    func facts(_ tree: StagedTree) throws -> [[UInt8]: FileFacts] {
        var source = StagedTreeSource(tree)
        var facts: [[UInt8]: FileFacts] = [:]
        var groups: [HardlinkIdentity: Set<[UInt8]>] = [:]
        var members: [[UInt8]: HardlinkIdentity] = [:]
        var last: [[UInt8]]?
        while let entry = try source.next() {
            let path = entry.path.bytes
            let components = entry.path.components.map(\.bytes)
            if let last {
                #expect(last.lexicographicallyPrecedes(components) { $0.lexicographicallyPrecedes($1) }, "\(path)")
                #expect(facts[entry.path.parent?.bytes ?? []] != nil)
            } else {
                #expect(entry.path.isRoot && entry.kind == .directory)
            }
            last = components
            var file = FileFacts(
                mode: entry.kind.rawValue | entry.permissions, uid: entry.uid, gid: entry.gid, mtime: entry.mtime,
                mtimeNanoseconds: entry.mtimeNanoseconds ?? -1, device: entry.device?.linux ?? 0,
                target: entry.target)
            for attribute in entry.xattrs { file.xattrs[attribute.name] = attribute.value }
            if case .stored(let content) = entry.content {
                file.size = content.size
                for object in content.objects { file.content += try plain(object) }
            }
            if let hardlink = entry.hardlink {
                groups[hardlink, default: []].insert(path)
                members[path] = hardlink
            }
            facts[path] = file
        }
        for (path, hardlink) in members { facts[path]?.links = (groups[hardlink] ?? []).subtracting([path]) }
        return facts
    }

    private func plain(_ object: ObjectID) throws -> [UInt8] {
        let path = "\(folder.path)/plain"
        try storage.unpack(object, to: path)
        return try #require(readFile(path))
    }
}

/// Compares two trees, and names what differs.
func expectEqual(
    _ got: [[UInt8]: FileFacts], _ expected: [[UInt8]: FileFacts], sourceLocation: SourceLocation = #_sourceLocation
) {
    let missing = Set(expected.keys).subtracting(got.keys).map { String(decoding: $0, as: UTF8.self) }.sorted()
    let extra = Set(got.keys).subtracting(expected.keys).map { String(decoding: $0, as: UTF8.self) }.sorted()
    #expect(missing == [] && extra == [], sourceLocation: sourceLocation)
    for (path, facts) in got {
        guard let wanted = expected[path] else { continue }
        #expect(facts == wanted, "\(TarReader.quoted(path))", sourceLocation: sourceLocation)
    }
}

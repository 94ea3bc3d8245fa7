import CASCore
import Catalog
import CatalogFixtures
import RepositoryMaker

/// Trees whose size is the point.
enum LargeTrees {
    /// As content-defined cutting makes them: from 4 to 16 MiB. Source: format 3.1.
    private static let chunkMebibytes = [8, 4, 16, 4]
    private static let fileMebibytes = 1024

    /// Adds `/large`: 1 GiB in chunks, of which every ninth does not deflate at all and all others to little.
    static func addChunkedFile(to maker: inout RepositoryMaker) throws {
        var chunks: [MadeChunk] = []
        var offset = 0
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        while offset < fileMebibytes << 20 {
            let size = chunkMebibytes[chunks.count % chunkMebibytes.count] << 20
            let content = content(size, isRandom: chunks.count % 9 == 8, &state)
            let object = try maker.folder.store(content, kind: .chunk)
            chunks.append(MadeChunk(offset: Int64(offset), size: Int64(size), object: object))
            offset += size
        }
        maker.chunked("/large", chunks)
        print("  a file of \(offset >> 20) MiB in \(chunks.count) chunks")
    }

    /// Random numbers, or lines with some in them, each line many times over.
    private static func content(_ count: Int, isRandom: Bool, _ state: inout UInt64) -> [UInt8] {
        var next = state
        defer { state = next }
        func random() -> UInt64 {
            next = next &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return next >> 33 | next << 31
        }
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, written in
            while written < count {
                let piece = isRandom ? [] : Array("line \(random()) of a large file\n".utf8)
                for _ in 0..<64 where written < count {
                    if isRandom {
                        let number = random()
                        for shift in stride(from: 0 as UInt64, to: 64, by: 8) where written < count {
                            buffer.initializeElement(at: written, to: UInt8(truncatingIfNeeded: number >> shift))
                            written += 1
                        }
                    } else {
                        for byte in piece where written < count {
                            buffer.initializeElement(at: written, to: byte)
                            written += 1
                        }
                    }
                }
            }
        }
    }

    /// Publishes `/c000` and so on, each a nested catalog of directories with 100 files each.
    static func publish(_ maker: inout RepositoryMaker, catalogs: Int, entriesInEach: Int) throws {
        let object = try maker.folder.store(Array("one of many\n".utf8))
        let marker = try maker.folder.store([])
        let root = try CountedCatalog(at: .root, in: maker.folder)
        try root.maker.setProperty("TTL", "3600")
        try root.add(.directory(.root, links: UInt32(2 + catalogs)))
        for number in 0..<catalogs {
            let path = RepositoryPath("/c\(padded(number, 3))")
            let directories = entriesInEach / 101
            let top = EntryRow.directory(path, links: UInt32(2 + directories))
            let catalog = try CountedCatalog(at: path, in: maker.folder)
            try catalog.add(top.with { $0.flags |= 32 })
            try catalog.add(.file(path.appending(FileName(".cvmfscatalog")), hash: marker.hash))
            // What the directories do not fill lies beside them.
            try addFiles(entriesInEach - 2 - directories * 101, in: path, object, to: catalog)
            for directory in 0..<directories {
                let below = path.appending(FileName("d\(padded(directory, 3))"))
                try catalog.add(.directory(below))
                try addFiles(100, in: below, object, to: catalog)
            }
            try root.add(top.with { $0.flags |= 2 })
            try root.addNested(catalog.store())
        }
        let stored = try root.store()
        _ = try maker.publish(root: stored, ttl: 3600)
        let total = stored.statistics.own + stored.statistics.subtree
        print("  \(total.entries) entries in \(catalogs + 1) catalogs")
    }

    /// Publishes `/wide`, one directory of so many files, in one catalog.
    static func publishWide(_ maker: inout RepositoryMaker, files: Int) throws {
        let object = try maker.folder.store(Array("one of many\n".utf8))
        let root = try CountedCatalog(at: .root, in: maker.folder)
        try root.maker.setProperty("TTL", "3600")
        try root.add(.directory(.root, links: 3))
        try root.add(.directory("/wide"))
        try addFiles(files, in: "/wide", object, to: root)
        _ = try maker.publish(root: root.store(), ttl: 3600)
        print("  \(files) entries in one directory")
    }

    /// A row through `EntryRow` costs ten times as much, which counts with millions.
    private static func addFiles(
        _ count: Int, in parent: RepositoryPath, _ object: ObjectID, to catalog: CountedCatalog
    ) throws {
        let insert =
            "INSERT INTO catalog (md5path_1, md5path_2, parent_1, parent_2, hardlinks, hash, size, mode, mtime, mtimens, "
            + "flags, name, symlink, uid, gid) VALUES (?, ?, ?, ?, 1, ?, 12, 33188, 1700000000, 123456789, 4, ?, '', 0, 0)"
        let parentKey = parent.key
        let digest = object.hash.digest
        for number in 0..<count {
            // An odd factor makes a permutation, so that rows are not in the order of names.
            let scattered = UInt32(truncatingIfNeeded: number) &* 2_654_435_761
            let name = FileName("file-\(padded(Int(scattered), 10)).txt")
            let key = parent.appending(name).key
            try catalog.maker.database.run(
                insert,
                [
                    .integer(key.first), .integer(key.second), .integer(parentKey.first), .integer(parentKey.second),
                    .blob(digest), .text(name.bytes),
                ])
        }
        catalog.count(flags: 4, size: 12, times: Int64(count))
    }

    private static func padded(_ number: Int, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}

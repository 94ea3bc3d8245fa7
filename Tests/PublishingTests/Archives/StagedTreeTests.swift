import CASCore
import FixtureTrees
import Glibc
import LocalServers
import SystemPackage
import Testing

@testable import Publishing

@Suite("Staged trees")
struct StagedTreeTests {
    let storage: ArchiveStorage

    init() throws { storage = try ArchiveStorage() }

    @Test(
        "an archive becomes the tree that unpacking it makes",
        arguments: ["tar --format=posix --xattrs --xattrs-include='*' --sparse -c", "bsdtar --format=pax -c"])
    func unpacking(program: String) async throws {
        let storage = try ArchiveStorage(chunkSizes: ChunkSizes(minimum: 4096, average: 8192, maximum: 16384))
        let folder = try TemporaryFolder("staged")
        try shell(TarReaderTests.script, in: folder.path)
        try shell("(cd tree && \(program) . || [ $? = 1 ]) | gzip > archive", in: folder.path)
        let tree = try await storage.stage(FileStream(at: FilePath("\(folder.path)/archive")))
        expectEqual(try storage.facts(tree), try FolderFacts.of("\(folder.path)/tree"))
    }

    @Test("publishing an archive of what is published changes nothing, and the other way round")
    func sameTree() async throws {
        let folder = try TemporaryFolder("staged")
        try shell(TarReaderTests.script, in: folder.path)
        try shell(
            """
            head -c 9000000 /dev/urandom > tree/in-chunks; setfattr -n user.long -v $(printf 'v%.0s' $(seq 300)) tree/large
            [ $(id -u) != 0 ] || setfattr -n trusted.overlay.opaque -v y tree/sub
            tar -C tree --format=posix --xattrs --xattrs-include='*' -cf archive .
            """, in: folder.path)
        var repository = try TreeRepository()
        let first = try await repository.sync(DirectorySource(at: "\(folder.path)/tree"), at: "/made")
        #expect(first.stored != nil)
        let objects = try objectCount(repository.storage)
        let tree = try StagedTree(scratchFolder: folder.path, label: "archive")
        var ingest = ArchiveIngest(into: tree, contents: .stored(repository.pipeline), isLayer: false)
        try await ingest.add(TarReader(FileStream(at: FilePath("\(folder.path)/archive"))))
        #expect(try await repository.sync(StagedTreeSource(tree), at: "/made").stored == nil)
        #expect(try objectCount(repository.storage) == objects)
        #expect(try await repository.sync(StagedTreeSource(tree), at: "/other").stored != nil)
        #expect(try await repository.sync(DirectorySource(at: "\(folder.path)/tree"), at: "/other").stored == nil)
        #expect(try await repository.defects() == [])
    }

    private func objectCount(_ storage: LocalStorage) throws -> Int {
        try (UInt8.min...UInt8.max).reduce(0) { $0 + (try storage.objects(inFolder: $1).count) }
    }

    /// Stages an archive made by hand, and gives the paths of the tree.
    private func paths(_ make: (inout HandMadeTar) -> Void) async throws -> [String: FileFacts] {
        var tar = HandMadeTar()
        make(&tar)
        let tree = try await storage.stage(MemoryStream(tar.ended, label: "archive"))
        return Dictionary(
            uniqueKeysWithValues: try storage.facts(tree).map { (String(decoding: $0.key, as: UTF8.self), $0.value) })
    }

    @Test("of a path that comes twice the last counts, whatever it was")
    func duplicates() async throws {
        let facts = try await paths { tar in
            tar.add("a", content: [1])
            tar.add("a", content: [2, 2])
            tar.add("d/x", content: [1])
            tar.add("d", content: [3])
            tar.add("e", content: [1])
            tar.add("e/", type: "5")
            tar.add("e/y")
            tar.add("f/", type: "5", mode: 0o700)
            tar.add("f/kept")
            tar.add("f/", type: "5", mode: 0o750)
        }
        #expect(Set(facts.keys) == ["", "/a", "/d", "/e", "/e/y", "/f", "/f/kept"])
        #expect(facts["/a"]?.content == [2, 2])
        #expect(facts["/d"]?.content == [3])
        #expect(facts["/f"]?.mode == S_IFDIR | 0o750)
    }

    @Test("a file in chunks that comes again, as by tar --append, is what it was last")
    func duplicateInChunks() async throws {
        let storage = try ArchiveStorage(chunkSizes: ChunkSizes(minimum: 1024, average: 2048, maximum: 4096))
        let contents = (1...3).map { [UInt8](repeating: UInt8($0), count: 20_000 - $0) }
        var tar = HandMadeTar()
        for content in contents { tar.add("a", content: content) }
        let tree = try await storage.stage(MemoryStream(tar.ended, label: "archive"))
        #expect(try storage.facts(tree)[Array("/a".utf8)]?.content == contents[2])
    }

    @Test("parents that no entry describes are made, as old as what they are made for")
    func parents() async throws {
        let facts = try await paths { $0.add("/a/./b//c", content: [1]) }
        #expect(Set(facts.keys) == ["", "/a", "/a/b", "/a/b/c"])
        #expect(facts["/a/b"]?.mode == S_IFDIR | 0o755)
        #expect(facts["/a/b"]?.mtime == 1_700_000_000)
        #expect(facts[""]?.mtime == 1_700_000_000)
    }

    @Test("symlinks among the parents are followed inside the tree, and never leave it")
    func symlinks() async throws {
        let facts = try await paths { tar in
            tar.add("usr/lib/", type: "5")
            tar.add("lib", type: "2", target: "usr/lib")
            tar.add("lib/x")
            tar.add("out", type: "2", target: "../../../../../../tmp")
            tar.add("out/evil")
            tar.add("absolute", type: "2", target: "/usr/../etc")
            tar.add("absolute/passwd")
            tar.add("chain", type: "2", target: "lib/../lib")
            tar.add("chain/y")
        }
        #expect(
            Set(facts.keys) == [
                "", "/usr", "/usr/lib", "/usr/lib/x", "/lib", "/out", "/tmp", "/tmp/evil", "/absolute", "/etc",
                "/etc/passwd", "/chain", "/usr/lib/y",
            ])
    }

    @Test("hard links are names of one file, also when the first name is replaced")
    func hardlinks() async throws {
        let facts = try await paths { tar in
            tar.add("a", content: [1])
            tar.add("d/b", type: "1", target: "./a")
            tar.add("c", type: "1", target: "/d/b")
            tar.add("a", content: [2])
            tar.add("c", type: "1", target: "c")
            tar.add("s", type: "2", target: "nowhere")
            tar.add("t", type: "1", target: "s")
        }
        #expect(facts["/a"]?.links == [])
        #expect(facts["/d/b"]?.links == [Array("/c".utf8)])
        #expect(facts["/d/b"]?.content == [1])
        #expect(facts["/t"]?.target == Array("nowhere".utf8))
        #expect(facts["/t"]?.links == [Array("/s".utf8)])
    }

    @Test("what would leave the target, or cannot be a tree, is refused")
    func refusals() async throws {
        func refused(_ purpose: String, _ make: (inout HandMadeTar) -> Void) async {
            let error = await #expect(throws: PublishingError.self, "\(purpose)") { try await paths(make) }
            #expect(error?.code == .source)
        }
        await refused("parent") { $0.add("../x") }
        await refused("parent in the middle") { $0.add("a/../../x") }
        await refused("hard link to outside") { $0.add("x", type: "1", target: "../../etc/passwd") }
        await refused("hard link to nothing") { $0.add("x", type: "1", target: "etc/passwd") }
        await refused("hard link to a directory") { tar in
            tar.add("d/", type: "5")
            tar.add("x", type: "1", target: "d")
        }
        await refused("hard link in place of the directory of its target") { tar in
            tar.add("d/x", content: [1])
            tar.add("d", type: "1", target: "d/x")
        }
        await refused("hard link to the root") { $0.add("x", type: "1", target: "/") }
        await refused("root that is a symlink") { $0.add("./", type: "2", target: "/etc") }
        await refused("file as a directory") { tar in
            tar.add("a")
            tar.add("a/b")
        }
        await refused("symlinks in a circle") { tar in
            tar.add("a", type: "2", target: "b")
            tar.add("b", type: "2", target: "a")
            tar.add("a/x")
        }
        await refused("symlinks that multiply") { tar in
            tar.add("a", type: "2", target: String(repeating: "b/", count: 50))
            tar.add("b", type: "2", target: String(repeating: "a/", count: 50))
            tar.add("a/x")
        }
        await refused("long name") { tar in
            tar.addPax([("path", String(repeating: "n", count: 256))])
            tar.add("x")
        }
        await refused("truncated") { $0.add("a", size: 1 << 20) }
    }

    @Test("a path that becomes too long through symlinks is refused")
    func longPath() async throws {
        await #expect(throws: PublishingError.self) {
            try await paths { tar in
                var path = ""
                for level in 0..<40 {
                    let name = String(repeating: "n", count: 200)
                    tar.addPax([("linkpath", level == 0 ? name : "s\(level - 1)/\(name)")])
                    tar.add("s\(level)", type: "2", target: "long")
                    path = "s\(level)/x\(level)/"
                    tar.addPax([("path", path)])
                    tar.add("d", type: "5")
                }
            }
        }
    }

    @Test("whiteouts take away what lower layers have, and nothing of their own layer")
    func whiteouts() async throws {
        let tree = try StagedTree(scratchFolder: storage.folder.path, label: "layers")
        func layer(_ make: (inout HandMadeTar) -> Void) async throws {
            var tar = HandMadeTar()
            make(&tar)
            var ingest = ArchiveIngest(into: tree, contents: .stored(storage.pipeline), isLayer: true)
            try await ingest.add(TarReader(MemoryStream(tar.ended, label: "layer")))
        }
        try await layer { tar in
            for name in ["gone", "kept", "d/old", "d/sub/old", "o/old", "o/sub/old", "t/x", "w/a/old"] { tar.add(name) }
        }
        try await layer { tar in
            tar.add(".wh.gone")
            tar.add(".wh.never-there")
            // The new file stands before the whiteout of its directory.
            tar.add("d/new")
            tar.add(".wh.d")
            tar.add("o/sub/new")
            tar.add("o/.wh..wh..opq")
            tar.add("o/new")
            tar.add("t", content: [1])
            tar.add(".wh..wh.plnk")
            tar.add("missing/.wh..wh..opq")
        }
        let facts = try storage.facts(tree).keys.map { String(decoding: $0, as: UTF8.self) }.sorted()
        #expect(
            facts == [
                "", "/d", "/d/new", "/kept", "/o", "/o/new", "/o/sub", "/o/sub/new", "/t", "/w", "/w/a", "/w/a/old",
            ])
        for name in [".wh.", ".wh..", ".wh..."] {
            await #expect(throws: PublishingError.self, "\(name)") { try await layer { $0.add(name) } }
        }
    }

    @Test("random archives give the tree that GNU tar unpacks")
    func random() async throws {
        var random = SeededGenerator(for: "random staged trees")
        let folder = try TemporaryFolder("staged")
        for round in 0..<5 {
            var script = "rm -rf tree out; mkdir tree; cd tree\n"
            var files: [String] = []
            for number in 0..<Int.random(in: 1...40, using: &random) {
                let depth = Int.random(in: 0...4, using: &random)
                let path = (0..<depth).map { _ in "d\(Int.random(in: 0...3, using: &random))" } + ["n\(number)"]
                let name = path.joined(separator: "/")
                if depth > 0 { script += "mkdir -p \(path.dropLast().joined(separator: "/"))\n" }
                switch Int.random(in: 0..<6, using: &random) {
                case 0: script += "ln -s \(name) \(name)\n"
                case 1: script += "mkdir \(name)\n"
                case 2 where !files.isEmpty:
                    script += "ln \(files[Int.random(in: 0..<files.count, using: &random)]) \(name)\n"
                    files.append(name)
                default:
                    script += "head -c \(Int.random(in: 0...5000, using: &random)) /dev/zero > \(name)\n"
                    files.append(name)
                }
                script += "touch -h -d @\(Int.random(in: 0...2_000_000_000, using: &random)).\(number) \(name)\n"
            }
            script += "cd ..; tar -C tree --sort=none --format=posix -cf archive .; mkdir out; tar -C out -xpf archive"
            try shell(script, in: folder.path)
            let tree = try await storage.stage(FileStream(at: FilePath("\(folder.path)/archive")))
            expectEqual(try storage.facts(tree), try FolderFacts.of("\(folder.path)/out"))
            if round == 0 { #expect(try storage.facts(tree).count > 1) }
        }
    }
}

import Catalog
import FixtureTrees
import Glibc
import LocalServers
import SystemPackage
import Testing

@testable import Publishing

@Suite("Tar archives")
struct TarReaderTests {
    /// An entry with its content.
    struct Read: Hashable {
        var entry: TarEntry
        var content: [UInt8] = []
    }

    static func read(
        _ stream: any ByteStream, bounds: ArchiveBounds = ArchiveBounds()
    ) throws(PublishingError) -> [Read] {
        let reader = try TarReader(stream, bounds: bounds)
        var all: [Read] = []
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 70_001, alignment: 16)
        defer { buffer.deallocate() }
        while let entry = try reader.next() {
            var read = Read(entry: entry)
            while true {
                let count = try reader.read(into: buffer)
                if count == 0 { break }
                read.content.append(contentsOf: buffer[..<count])
            }
            all.append(read)
        }
        try reader.finish()
        return all
    }

    static func read(_ bytes: [UInt8], bounds: ArchiveBounds = ArchiveBounds()) throws(PublishingError) -> [Read] {
        try read(MemoryStream(bytes, label: "archive"), bounds: bounds)
    }

    /// A folder with everything that a tar archive can hold.
    static let script = #"""
        mkdir -p tree/sub/empty && cd tree
        printf hello > plain; : > nothing; head -c 300000 /dev/zero | tr '\0' x > large
        ln plain hard; ln plain sub/hard-too; ln -s plain symlink; ln -s /absolute/../target sub/dangling
        ln -s "$(printf 'to-e\xcc\x81')" composed-target
        touch "$(printf 'nfd-e\xcc\x81')" "$(printf 'nfc-\xc3\xa9')" "$(printf 'bad-\xff\xfe')" "$(printf 'new\nline')"
        mkfifo pipe; chmod 4755 plain; chmod 1777 sub; chmod 0500 sub/empty
        truncate -s 3M sparse; printf middle | dd of=sparse bs=1 seek=1000000 conv=notrunc status=none; printf end >> sparse
        truncate -s 1M hole
        deep=$(printf 'long-name-%.0s' 1 2 3 4 5 6 7 8 9 10)
        mkdir -p $deep/$deep/$deep; printf deep > $deep/$deep/$deep/$deep; ln -s $deep/$deep/$deep/$deep deep-link
        touch -d '2001-02-03 04:05:06.123456789' plain; touch -d '1960-01-01 00:00:00 UTC' nothing
        setfattr -n user.test -v "$(printf 'a=b\nc')" plain
        setfattr -n user.empty nothing || true
        if [ $(id -u) = 0 ]; then
            chown 12345:54321 large; mknod null c 1 3; mknod disk b 259 1048575
            setfattr -n security.capability -v 0sAQAAAgAgAAAAAAAAAAAAAAAAAAA= large
        fi
        touch -d '2020-01-01 00:00:00.25 UTC' sub/empty sub .
        """#

    @Test(
        "what GNU tar and bsdtar pack is read back in every attribute",
        arguments: [
            ("tar --format=gnu --sparse", false), ("tar --format=posix --sparse --xattrs --xattrs-include='*'", true),
            ("tar --format=posix --sparse --sparse-version=0.0", true),
            ("tar --format=posix --sparse --sparse-version=0.1", true), ("bsdtar --format=pax", true),
        ])
    func roundTrip(program: String, hasNanoseconds: Bool) throws {
        let folder = try TemporaryFolder("tar")
        try shell(Self.script, in: folder.path)
        // bsdtar leaves a warning for the name that is not UTF-8.
        try shell("\(program) -cf archive.tar -C tree . || [ $? = 1 ] && [ -s archive.tar ]", in: folder.path)
        let expected = try FolderFacts.of("\(folder.path)/tree")
        let read = try Self.read(FileStream(at: FilePath("\(folder.path)/archive.tar")))
        var seen: [[UInt8]: FileFacts] = [:]
        for item in read {
            var path = Array(item.entry.path.drop { $0 == 0x2E }.reversed().drop { $0 == 0x2F }.reversed())
            if path.first != 0x2F, !path.isEmpty { path = [0x2F] + path }
            if item.entry.kind == .hardlink {
                let target = Array(item.entry.target.drop { $0 == 0x2E })
                let linked: FileFacts = try #require(seen[target])
                seen[path] = linked
                continue
            }
            let kind: EntryKind =
                switch item.entry.kind {
                case .file, .hardlink: .file
                case .directory: .directory
                case .symlink: .symlink
                case .character: .character
                case .block: .block
                case .fifo: .fifo
                }
            seen[path] = FileFacts(
                mode: kind.rawValue | item.entry.permissions, uid: item.entry.uid, gid: item.entry.gid,
                mtime: item.entry.mtime, mtimeNanoseconds: item.entry.mtimeNanoseconds, size: item.entry.size,
                device: item.entry.device?.linux ?? 0, target: item.entry.target, xattrs: item.entry.xattrs,
                content: item.content)
        }
        #expect(Set(seen.keys) == Set(expected.keys))
        for (path, facts) in expected {
            var (wanted, got) = (facts, try #require(seen[path]))
            wanted.links = []
            if !hasNanoseconds {
                // This format has whole seconds only.
                got.mtimeNanoseconds = wanted.mtimeNanoseconds
                if got.mtime == wanted.mtime + 1, wanted.mtime < 0 { got.mtime -= 1 }
            }
            if !program.contains("xattrs"), !program.contains("bsdtar --format=pax") { wanted.xattrs = [:] }
            #expect(got == wanted, "\(TarReader.quoted(path))")
        }
    }

    @Test(
        "every compression is told by its first bytes",
        arguments: ["cat", "gzip", "bzip2", "xz", "zstd -q", "zstd -q --long=27 -19"])
    func compressions(program: String) throws {
        let folder = try TemporaryFolder("tar")
        let noise = SeededGenerator(seed: 7)
        var generator = noise
        try folder.write(generator.noise(500_000), to: "noise")
        try shell("tar -cf - noise | \(program) > archive", in: folder.path)
        let read = try Self.read(FileStream(at: FilePath("\(folder.path)/archive")))
        #expect(read.map(\.entry.path) == [Array("noise".utf8)])
        #expect(read.first?.content == readFile("\(folder.path)/noise"))
    }

    @Test("an archive comes through a pipe as well")
    func pipe() throws {
        let folder = try TemporaryFolder("tar")
        try shell(
            "printf hello > a; tar -czf archive a; mkfifo pipe; (cat archive > pipe) > /dev/null 2>&1 &",
            in: folder.path)
        #expect(try Self.read(FileStream(at: FilePath("\(folder.path)/pipe"))).first?.content == Array("hello".utf8))
    }

    @Test("streams that were compressed one after another count as one")
    func members() throws {
        let folder = try TemporaryFolder("tar")
        try shell(
            "head -c 100000 /dev/urandom > a; tar -cf t a; (head -c 5000 t | gzip; tail -c +5001 t | gzip) > z",
            in: folder.path)
        #expect(
            try Self.read(FileStream(at: FilePath("\(folder.path)/z"))).first?.content == readFile("\(folder.path)/a"))
    }

    @Test("an old archive without magic, and large numbers in binary, are read")
    func numbers() throws {
        var tar = HandMadeTar()
        tar.add("a", content: [1], sizeField: [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
        tar.addPax([("mtime", "-1.25"), ("uid", "4294967295"), ("size", "2")])
        tar.add("b", content: [2, 3], size: 0)
        let read = try Self.read(tar.ended)
        #expect(read.map(\.content) == [[1], [2, 3]])
        #expect(read[1].entry.mtime == -2)
        #expect(read[1].entry.mtimeNanoseconds == 750_000_000)
        #expect(read[1].entry.uid == .max)
    }

    @Test("a global header holds for all entries, and an entry's own goes before it")
    func globalHeader() throws {
        var tar = HandMadeTar()
        tar.addPax([("uid", "7"), ("gid", "8")], type: "g")
        tar.add("a")
        tar.addPax([("uid", "9")])
        tar.add("b")
        tar.add("c")
        #expect(try Self.read(tar.ended).map(\.entry.uid) == [7, 9, 7])
    }

    @Test("a binary negative time is read")
    func negativeTime() throws {
        var field = [UInt8](repeating: 0xFF, count: 12)
        field[11] = 0xFE
        let header = TarHeader(unchecked: [UInt8](repeating: 0, count: 136) + field + [UInt8](repeating: 0, count: 364))
        #expect(header.mtime == -2)
    }

    // MARK: Hostile archives

    @Test(
        "an archive cut off anywhere is said to be truncated or damaged",
        arguments: ["cat", "gzip", "xz", "zstd -q", "bzip2"])
    func truncation(program: String) throws {
        let folder = try TemporaryFolder("tar")
        try shell("seq 20000 > a; mkdir d; tar -b1 -cf - a d | \(program) > archive", in: folder.path)
        let whole = try #require(readFile("\(folder.path)/archive"))
        // The second of the two blocks at the end may be missing, as other programs allow.
        let end = program == "cat" ? whole.count - 1024 : whole.count - 1
        for length in stride(from: 0, through: end, by: max(1, end / 97)) + [end] {
            #expect(throws: PublishingError.self, "\(length) of \(whole.count) bytes") {
                try Self.read(Array(whole[..<length]))
            }
        }
    }

    @Test("what contradicts itself is refused")
    func contradictions() {
        func refused(_ purpose: String, _ make: (inout HandMadeTar) -> Void) {
            var tar = HandMadeTar()
            make(&tar)
            let bytes = tar.ended
            #expect(throws: PublishingError.self, "\(purpose)") { try Self.read(bytes) }
        }
        refused("size beyond all files") { $0.add("a", sizeField: [0x80, 1] + [UInt8](repeating: 0, count: 10)) }
        refused("negative size") { $0.add("a", sizeField: [UInt8](repeating: 0xFF, count: 12)) }
        refused("size that is no number") { $0.add("a", sizeField: Array("zzzzzzzzzzz".utf8)) }
        refused("unknown type") { $0.add("a", type: "Z") }
        refused("long header") { $0.add("a", type: "L", size: 1 << 30) }
        refused("header at the end") { $0.addPax([("path", "b")]) }
        refused("record that is too long") { $0.add("p", type: "x", content: Array("99 path=b\n".utf8)) }
        refused("record without length") { $0.add("p", type: "x", content: Array("path=b\n".utf8)) }
        refused("path with NUL") {
            $0.addPax([("path", "a\0b")])
            $0.add("a")
        }
        refused("long path") {
            $0.addPax([("path", String(repeating: "a/", count: 3000))])
            $0.add("a")
        }
        refused("many headers in a row") { tar in (0..<100).forEach { _ in tar.addPax([("uid", "1")]) } }
        refused("sparse map beyond the file") {
            $0.addPax([("GNU.sparse.map", "5,5"), ("GNU.sparse.size", "6"), ("GNU.sparse.numblocks", "1")])
            $0.add("a", content: [1, 2, 3, 4, 5])
        }
        refused("sparse map that overlaps") {
            $0.addPax([("GNU.sparse.map", "0,3,2,3"), ("GNU.sparse.size", "6")])
            $0.add("a", content: [1, 2, 3, 4, 5, 6])
        }
        refused("sparse map that never ends") {
            $0.addPax([("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", "9")])
            $0.add("a", content: Array("100000\n".utf8) + [UInt8](repeating: 0x30, count: 505))
        }
        refused("sparse file of a petabyte") {
            $0.addPax([("GNU.sparse.map", "0,0"), ("GNU.sparse.size", "1125899906842625")])
            $0.add("a")
        }
    }

    @Test("no archive at all is said to be none")
    func noArchive() {
        for bytes in [[], Array("hello".utf8), [UInt8](repeating: 0x41, count: 2000), [0x1F, 0x8B, 8, 0, 1]] {
            #expect(throws: PublishingError.self) { try Self.read(bytes) }
        }
    }

    @Test("a decompression bomb is recognised, also one of holes")
    func bombs() throws {
        var bounds = ArchiveBounds()
        bounds.expansionAllowance = 1 << 20
        bounds.expansion = 100
        let folder = try TemporaryFolder("tar")
        try shell(
            "truncate -s 8M a; tar -cf - a | gzip > bomb; tar -S -cf sparse a; head -c 2000000 /dev/urandom > b; tar -czf good b",
            in: folder.path)
        for name in ["bomb", "sparse"] {
            let error = #expect(throws: PublishingError.self) {
                try Self.read(FileStream(at: FilePath("\(folder.path)/\(name)")), bounds: bounds)
            }
            #expect(error?.message.contains("bomb") == true)
        }
        #expect(try Self.read(FileStream(at: FilePath("\(folder.path)/good")), bounds: bounds).count == 1)
        bounds.contentBytes = 1 << 20
        #expect(throws: PublishingError.self) {
            try Self.read(FileStream(at: FilePath("\(folder.path)/good")), bounds: bounds)
        }
        bounds = ArchiveBounds()
        bounds.entries = 2
        var tar = HandMadeTar()
        for name in ["a", "b", "c"] { tar.add(name) }
        #expect(throws: PublishingError.self) { try Self.read(tar.ended, bounds: bounds) }
    }

    @Test(
        "an archive with bytes changed at random is read or refused, and nothing worse",
        arguments: ["cat", "gzip", "xz", "zstd -q", "bzip2"])
    func fuzz(program: String) throws {
        let folder = try TemporaryFolder("tar")
        try shell(
            """
            mkdir t; cd t; seq 3000 > a; ln a b; ln -s a c; truncate -s 100k s; echo x >> s; mkdir d; setfattr -n user.x -v y a
            touch $(printf 'n%.0s' $(seq 150)); cd ..; tar --format=posix --xattrs -S -cf - t | \(program) > archive
            """, in: folder.path)
        let whole = try #require(readFile("\(folder.path)/archive"))
        var random = SeededGenerator(for: "fuzzed tar, \(program)")
        var bounds = ArchiveBounds()
        bounds.contentBytes = 16 << 20
        for _ in 0..<300 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            if Bool.random(using: &random) { bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random)) }
            _ = try? Self.read(bytes, bounds: bounds)
        }
    }
}

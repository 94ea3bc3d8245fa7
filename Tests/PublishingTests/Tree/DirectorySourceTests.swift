import CPlatform
import CVMFS
import FixtureTrees
import Foundation
import Glibc
import LocalServers
import Testing

@testable import Publishing

@Suite("Directories as sources")
struct DirectorySourceTests {
    private func entries(_ folder: String) throws -> [SourceEntry] {
        var source = try DirectorySource(at: folder)
        var entries: [SourceEntry] = []
        while let entry = try source.next() { entries.append(entry) }
        return entries
    }

    @Test("everything that a file system has is seen, in the order of names' bytes, and no symlink is followed")
    func everything() throws {
        let folder = try TemporaryFolder("source")
        let path = folder.path + "/tree"
        for name in ["a/b/c/deep", "a.b/file", "a/x", "z"] { try folder.write(Array(name.utf8), to: "tree/\(name)") }
        symlink("/etc", "\(path)/a/outside")
        mkfifo("\(path)/fifo", 0o640)
        link("\(path)/z", "\(path)/a/z2")
        link("\(path)/z", "\(path)/z1")
        chmod("\(path)/z", 0o4711)
        let odd = Array(path.utf8) + [UInt8(ascii: "/"), 0xFF, 0xFE]
        #expect(mkdir(odd.map { CChar(bitPattern: $0) } + [0], 0o700) == 0)
        var times = [timespec(tv_sec: 77, tv_nsec: 88), timespec(tv_sec: 77, tv_nsec: 88)]
        utimensat(AT_FDCWD, "\(path)/a/x", &times, 0)

        let entries = try entries(path)
        let names = entries.map { $0.path.description }
        #expect(
            names == [
                "/", "/a", "/a/b", "/a/b/c", "/a/b/c/deep", "/a/outside", "/a/x", "/a/z2", "/a.b", "/a.b/file", "/fifo",
                "/z", "/z1", "/\u{FFFD}\u{FFFD}",
            ])
        let byName = Dictionary(uniqueKeysWithValues: zip(names, entries))
        #expect(byName["/a/outside"]?.target == Array("/etc".utf8))
        #expect(byName["/fifo"]?.kind == .fifo && byName["/fifo"]?.permissions == 0o640)
        #expect(byName["/a/x"]?.mtime == 77 && byName["/a/x"]?.mtimeNanoseconds == 88)
        #expect(byName["/z"]?.permissions == 0o4711)
        #expect(byName["/z"]?.hardlink != nil && byName["/z"]?.hardlink == byName["/z1"]?.hardlink)
        #expect(byName["/z"]?.hardlink == byName["/a/z2"]?.hardlink && byName["/a/x"]?.hardlink == nil)
        #expect(entries.last?.path.bytes == [UInt8(ascii: "/"), 0xFF, 0xFE])
    }

    @Test("extended attributes that belong to files are read, those of the machine are not")
    func xattrs() throws {
        let folder = try TemporaryFolder("source")
        try folder.write([], to: "file")
        let descriptor = open(folder.path, O_RDONLY | O_DIRECTORY)
        defer { close(descriptor) }
        func set(_ name: String, _ value: [UInt8]) -> Int32 {
            cplatform_set_link_xattr(descriptor, "file", name, value, value.count)
        }
        // Where the file system has none there is nothing to be seen.
        guard set("user.long", [UInt8](repeating: 7, count: 1000)) == 0 else { return }
        #expect(set("user.a", Array("b".utf8)) == 0)
        if geteuid() == 0 { _ = set("trusted.x", [1]) }
        let attributes = try #require(try entries(folder.path).last).xattrs
        #expect(Set(attributes.map { String(decoding: $0.name, as: UTF8.self) }) == ["user.long", "user.a"])
        #expect(attributes.first { $0.name.count == 6 }?.value == Array("b".utf8))
        #expect(attributes.first { $0.name.count > 6 }?.value.count == 1000)
    }

    @Test("a tree deeper than the folders that are open at once is read to its end")
    func deep() throws {
        let folder = try TemporaryFolder("source")
        let depth = 3 * SourceLimits.openFolders
        var path = "tree"
        for level in 0..<depth {
            try folder.write([1], to: "\(path)/a-file")
            try folder.write([2], to: "\(path)/z-file")
            path += "/d\(level % 10)"
        }
        let entries = try entries(folder.path + "/tree")
        #expect(entries.count == 3 * depth)
        #expect(entries.last?.path == "/z-file")
        let opened = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
        #expect(opened < 1000)
    }

    @Test("a folder that is replaced while it is read is an error that names it")
    func replaced() throws {
        let folder = try TemporaryFolder("source")
        try folder.write([1], to: "tree/a/file")
        var source = try DirectorySource(at: folder.path + "/tree")
        _ = try source.next()
        #expect(try source.next()?.path == "/a")
        rename("\(folder.path)/tree/a", "\(folder.path)/tree/b")
        symlink("/etc", "\(folder.path)/tree/a")
        let error = #expect(throws: PublishingError.self) { while try source.next() != nil {} }
        #expect(error?.code == .changed)
        #expect(error?.message.contains("tree/a") == true)
    }

    @Test("what cannot be read is an error that names it, and no tree is published")
    func unreadable() async throws {
        // Root may read everything.
        guard geteuid() != 0 else { return }
        let folder = try TemporaryFolder("source")
        let file = try folder.write([1], to: "tree/secret")
        chmod(file, 0)
        var repository = try TreeRepository()
        let source = try DirectorySource(at: folder.path + "/tree")
        let before = repository.manifest.rootCatalog
        do {
            try await repository.sync(source)
            Issue.record("it was published")
        } catch {
            #expect((error as? PublishingError)?.code == .source && "\(error)".contains("tree/secret"))
        }
        #expect(repository.manifest.rootCatalog == before)
    }

    @Test("a file that changes between the look at it and its opening is published as it is then")
    func changedBeforeOpening() async throws {
        /// Changes the file right after its entry was given out, as long as others are looked at.
        struct ChangingSource: TreeSource {
            let label = "changing"
            var source: DirectorySource
            let path: String

            mutating func next() throws -> SourceEntry? {
                let entry = try source.next()
                if entry?.kind == .file {
                    try writeFile(Array("longer than before".utf8), to: path)
                    chmod(path, 0o600)
                    var times = [timespec(tv_sec: 2000, tv_nsec: 7), timespec(tv_sec: 2000, tv_nsec: 7)]
                    utimensat(AT_FDCWD, path, &times, 0)
                }
                return entry
            }
        }
        let folder = try TemporaryFolder("source")
        let file = try folder.write([1], to: "tree/file")
        var repository = try TreeRepository()
        try await repository.sync(
            ChangingSource(source: try DirectorySource(at: folder.path + "/tree"), path: file))
        let snapshot = try await repository.open().snapshot()
        let entry = try await snapshot.entry(at: "/file")
        #expect(entry.mtime == 2000 && entry.mtimeNanoseconds == 7 && entry.permissions == 0o600)
        #expect(try await snapshot.file(entry).readAll() == Array("longer than before".utf8))
    }

    @Test("what fails in a directory is told after all before it was seen")
    func failure() async throws {
        let folder = try TemporaryFolder("source")
        for index in 0..<300 { try folder.write([1], to: "tree/d\(1000 + index)/file") }
        // Sockets and the like are fine; a name that is too long for a path in a repository is not.
        var path = folder.path + "/tree/z"
        mkdir(path, 0o755)
        let name = String(repeating: "n", count: 250)
        let start = open(path, O_RDONLY | O_DIRECTORY)
        var descriptor = start
        for _ in 0..<17 {
            mkdirat(descriptor, name, 0o755)
            let next = openat(descriptor, name, O_RDONLY | O_DIRECTORY)
            close(descriptor)
            descriptor = next
            path += "/\(name)"
        }
        close(descriptor)
        let source = try DirectorySource(at: folder.path + "/tree")
        let alone = #expect(throws: PublishingError.self) {
            var source = source
            while try source.next() != nil {}
        }
        var ahead = DirectoryReadAhead(source) { _ in nil }
        var seen = 0
        let error = await #expect(throws: PublishingError.self) {
            while let entries = try await ahead.next() { seen += entries.count }
        }
        #expect(error?.code == .unsupported && error?.message == alone?.message)
        // The root, the folders with their files, "z", and those below it up to the limit.
        #expect(seen == 1 + 600 + 1 + 16)
        #expect(try await ahead.next() == nil)
        try shell("rm -rf tree", in: folder.path)
    }

    @Test("a directory of this machine reads back as it is, and unchanged it is not read again")
    func roundTrip() async throws {
        let folder = try TemporaryFolder("source")
        var random = SeededGenerator(for: "a directory of this machine")
        let tree = folder.path + "/tree"
        for index in 0..<60 {
            let name = "tree/\(["a", "a/b", "c"][index % 3])/file-\(index)"
            try folder.write(random.text(Int.random(in: 0...9000, using: &random)), to: name)
        }
        for index in 0..<5 { link("\(tree)/a/file-\(3 * index)", "\(tree)/a/link-\(index)") }
        symlink("../$(X:-y)", "\(tree)/c/symlink")
        // Files that were touched just now are not recognised another time.
        for path in FileManager.default.subpaths(atPath: tree) ?? [] {
            var times = [timespec(tv_sec: 1000, tv_nsec: 1), timespec(tv_sec: 1000, tv_nsec: 1)]
            utimensat(AT_FDCWD, "\(tree)/\(path)", &times, AT_SYMLINK_NOFOLLOW)
        }
        var repository = try TreeRepository()
        let first = try await repository.sync(try DirectorySource(at: tree))
        let lines = try await repository.lines()
        #expect(lines.count == Int(first.report.added + first.report.changed + first.report.unchanged))
        #expect(lines.count == 70)
        let linked = lines.filter { $0.contains(" 2 ") && $0.contains("+") }
        #expect(linked.count == 10)
        let second = try await repository.sync(try DirectorySource(at: tree))
        #expect(second.stored == nil && second.report.unchanged == Int64(lines.count))
        try folder.write(Array("other".utf8), to: "tree/c/file-2")
        let third = try await repository.sync(try DirectorySource(at: tree))
        #expect(third.report.changed == 1 && third.stored != nil)
        let defects = try await repository.defects()
        #expect(defects == [])
    }
}

import CKernelCalls
import CVMFS
import CatalogFixtures
import FixtureTrees
import Foundation
import LocalServers
import RepositoryMaker
import Testing

@Suite("Copying out")
struct CopyTests {
    @Test("a copy is the published tree: kinds, modes, times, links, attributes, bytes")
    func whole() async throws {
        let fixture = Fixtures.named("tiny")
        let opened = try await OpenedFixture(fixture)
        let target = try TemporaryFolder("copy")
        let report = try await opened.repository.snapshot().copy(to: FilePath(target.path))
        let isRoot = Privileges.isRoot
        #expect(report.omissions.isEmpty || !isRoot)
        var groups: [Int: Set<UInt64>] = [:]
        for expected in try fixture.entries() where !expected.path.isRoot {
            let path = target.path.utf8 + expected.path.bytes
            var status = stat()
            guard expected.device == nil || isRoot else { continue }
            let text = path.map { CChar(bitPattern: $0) } + [0]
            try #require(lstat(text, &status) == 0, "\(expected.path)")
            #expect(EntryKind(mode: status.st_mode).map { "\($0)" } == expected.kind.rawValue, "\(expected.path)")
            if expected.kind != .symlink { #expect(status.st_mode & 0o7777 == UInt32(expected.mode)) }
            #expect(Int64(status.st_mtim.tv_sec) == expected.mtime, "\(expected.path)")
            #expect(Int32(status.st_mtim.tv_nsec) == expected.mtimeNanoseconds, "\(expected.path)")
            if isRoot { #expect(status.st_uid == expected.uid && status.st_gid == expected.gid) }
            if let group = expected.linkGroup { groups[group, default: []].insert(UInt64(status.st_ino)) }
            if let digest = expected.sha256 {
                #expect(
                    sha256(try #require(readFile(path))) == digest)
            }
            for (name, value) in expected.xattrs {
                var buffer = [UInt8](repeating: 0, count: 300)
                let count = kernel_xattr(text, name, &buffer, UInt(buffer.count))
                #expect(count >= 0 && Array(buffer.prefix(max(0, count))) == value, "\(expected.path) \(name)")
            }
        }
        for inodes in groups.values { #expect(inodes.count == 1) }
    }

    @Test("a second run finds everything in place and writes nothing; a damaged file is copied anew")
    func resumes() async throws {
        var made = try MadeRepository.withTree()
        _ = try made.maker.publish()
        let snapshot = try await made.open().snapshot()
        let target = try TemporaryFolder("copy")
        let first = try await snapshot.copy(to: FilePath(target.path))
        #expect(first.alreadyPresent == 0 && first.bytes > 0)
        let second = try await snapshot.copy(to: FilePath(target.path))
        #expect(second.bytes == 0 && second.entries == first.entries)
        try target.write(Array("x".utf8), to: "etc/motd")
        let third = try await snapshot.copy(to: FilePath(target.path))
        #expect(third.bytes == 6)
        #expect(readFile("\(target.path)/etc/motd") == Array("hello\n".utf8))
    }

    @Test("a copy that is cancelled leaves no half file under a name, and can go on")
    func cancelled() async throws {
        var made = try MadeRepository.withTree()
        for number in 0..<200 { try made.maker.file(RepositoryPath("/many/\(number)"), Array("\(number)".utf8)) }
        _ = try made.maker.publish()
        let snapshot = try await made.open().snapshot()
        let target = try TemporaryFolder("copy")
        let path = FilePath(target.path)
        let task = Task { try await snapshot.copy(to: path) }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        let report = try await snapshot.copy(to: path)
        #expect(report.omissions.isEmpty)
        let names = try FileManager.default.subpathsOfDirectory(atPath: target.path)
        #expect(!names.contains { $0.contains(".cvmfs-get-") })
        #expect(readFile("\(target.path)/many/199") == Array("199".utf8))
    }

    @Test("a symlink and a directory of one name cannot make a copy write outside its target")
    func escape() async throws {
        let outside = try TemporaryFolder("outside")
        var made = try MadeRepository()
        try made.maker.file("/a/planted", Array("owned\n".utf8))
        made.maker.changeCatalog(at: .root) { [link = outside.path] catalog in
            // A second row that calls itself "a" in the same directory, under another path's key.
            var row = EntryRow.symlink("/b", to: link)
            row.raw["name"] = .text("a")
            try catalog.maker.add(row)
        }
        _ = try made.maker.publish()
        let snapshot = try await made.open().snapshot()
        let target = try TemporaryFolder("copy")
        let error = await failure { _ = try await snapshot.copy(to: FilePath(target.path)) }
        #expect(error.code != nil)
        #expect(try FileManager.default.contentsOfDirectory(atPath: outside.path) == [])
    }
}

import CVMFS
import RepositoryMaker
import Testing

@Suite("Images")
struct ImageTests {
    @Test("symlinks lead to files inside the image, and a link out of it ends at its root")
    func inside() async throws {
        var made = try MadeRepository.withTree()
        _ = try made.maker.publish()
        let image = try await made.open().snapshot().image()
        #expect(try await image.open("/bin/tool").readAll() == Array("#!/bin/sh\n".utf8))
        #expect(try await image.open("/bin/outside").readAll() == Array("hello\n".utf8))
        #expect(try await image.readlink("/bin") == Array("usr/bin".utf8))
        #expect(try await image.entry(at: "bin/../bin/tool").path == "/usr/bin/tool")

        // The same link in an image that begins at /usr has nothing to lead to: /usr/etc is not there.
        let usr = try await image.snapshot.image(at: "/usr")
        #expect(await failure { _ = try await usr.open("/bin/outside") }.code == .noSuchEntry)
        #expect(try await usr.entry(at: "/..").path == "/usr")
    }

    @Test("errors tell absence, a file in the way, and loops apart")
    func errors() async throws {
        var made = try MadeRepository.withTree()
        made.maker.symlink("/loop", to: "loop")
        _ = try made.maker.publish()
        let image = try await made.open().snapshot().image()
        for (path, code) in [
            ("/nowhere", CVMFSError.Code.noSuchEntry), ("/etc/motd/x", .notADirectory), ("/etc/motd/", .notADirectory),
            ("/loop", .tooManySymlinks), ("/usr", .isADirectory),
        ] {
            #expect(await failure { _ = try await image.open(ImagePath(path)) }.code == code, "\(path)")
        }
    }

    @Test("what is local answers without waiting: lookups, and files that are complete in the cache")
    func cached() async throws {
        var made = try MadeRepository.withTree()
        _ = try made.maker.publish()
        let image = try await made.open().snapshot().image()
        #expect(try image.cachedEntry(at: "/etc/motd")?.size == 6)
        #expect(try image.cachedEntry(at: "/bin/tool") == nil)
        #expect(try image.cached("/etc/motd") == nil)
        _ = try await image.open("/etc/motd")
        let file = try #require(try image.cached("/etc/motd"))
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 16, alignment: 1)
        defer { buffer.deallocate() }
        #expect(try file.readCached(into: buffer, at: 0) == 6)
        _ = try await image.open("/large").read(1, at: 0)
        #expect(try image.cached("/large") == nil)
    }

    @Test("a prefetch completes files, and reports what it cannot fetch")
    func prefetch() async throws {
        var made = try MadeRepository.withTree()
        let published = try made.maker.publish()
        let image = try await made.open().snapshot().image()
        let tool = try await image.entry(at: "/usr/bin/tool")
        try published.folder.remove(try #require(tool.object))
        let report = await image.prefetch(AccessProfile(["/etc/motd", "/large", "/usr", "/bin/tool", "/nowhere"]))
        #expect(report.complete == 2 && report.withoutContent == 1)
        #expect(Set(report.failures.map(\.path)) == ["/bin/tool", "/nowhere"])
        #expect(try image.cached("/large") != nil)
    }
}

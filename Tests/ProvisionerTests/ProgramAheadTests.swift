import CVMFS
import LocalServers
import RepositoryMaker
import Testing

@testable import Provisioner

@Suite("What a program needs to start")
struct ProgramAheadTests {
    private static func head(_ bytes: [UInt8]) async throws -> ProgramHead {
        try await ProgramHead.of { count, offset in
            guard offset >= 0, offset < bytes.count else { return [] }
            return Array(bytes[Int(offset)...].prefix(max(0, count)))
        }
    }

    @Test("is told by its file: the loader and the libraries of a program, the interpreter of a script")
    func heads() async throws {
        let shell = try #require(readFile("/bin/sh"))
        let found = try await Self.head(shell)
        // As a machine without a shared C library has it, a static program names neither.
        if found.interpreter.isEmpty {
            #expect(found.libraries.isEmpty)
        } else {
            let loader = String(decoding: found.interpreter[0], as: UTF8.self)
            #expect(loader.hasPrefix("/") && HostPrograms.files.contains { $0.path == loader })
            #expect(found.libraries.contains { $0.starts(with: "libc.".utf8) })
        }
        let script = try await Self.head(Array("#! /usr/bin/env  perl -w\nprint 1;".utf8))
        #expect(script.interpreter == [Array("/usr/bin/env".utf8), Array("perl".utf8)])
        #expect(!script.isELF)
        for text in ["", "#!", "#!\n", "\u{7F}ELF", "text"] {
            #expect(try await Self.head(Array(text.utf8)).interpreter.isEmpty)
        }
    }

    @Test("is not told by a damaged file, which does no harm")
    func damaged() async throws {
        let shell = try #require(readFile("/bin/sh"))
        var generator = SystemRandomNumberGenerator()
        let seed = generator.next()
        var state = seed
        func random(below bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        for _ in 0..<500 {
            var bytes = Array(shell.prefix(64 + random(below: shell.count - 64)))
            // Most of what is looked at is in the headers.
            for _ in 0..<8 { bytes[16 + random(below: min(bytes.count - 16, 1000))] = UInt8(random(below: 256)) }
            let head = try await Self.head(bytes)
            #expect(head.libraries.count <= 256, "seed \(seed)")
        }
        // Every field at its largest.
        let extreme = Array(shell.prefix(16)) + [UInt8](repeating: 0xFF, count: 8192)
        #expect(try await Self.head(extreme).libraries.isEmpty)
    }

    @Test("is fetched, with the catalogs on the way, and nothing else is")
    func fetched() async throws {
        var made = try ProvisionedRepository()
        try HostPrograms.add(to: &made.maker, at: "/one")
        try made.maker.file("/one/etc/ld.so.cache", Array("cache".utf8))
        try made.maker.file("/one/bin/script", Array("#!/bin/cat\n".utf8), mode: 0o755)
        try made.maker.file("/one/never/read", [1, 2, 3])
        try made.maker.nested("/one")
        try made.publish()
        let store = try DiskStore(at: made.cachePath)
        let repository = try await made.open(cache: store)
        let image = try await repository.snapshot().image(at: "/one")
        let ahead = ProgramAhead(image, environment: ["PATH=/no/such:/bin"])
        await ahead.fetch(ContainerProgram(arguments: ["script"]))
        for path in ["/bin/script", "/bin/cat"] { #expect(try image.cached(ImagePath(path)) != nil, "\(path)") }
        #expect(try image.cached("/bin/ls") == nil && image.cached("/never/read") == nil)
        let cat = try await Self.head(#require(readFile("/bin/cat")))
        if !cat.interpreter.isEmpty {
            for path in [String(decoding: cat.interpreter[0], as: UTF8.self), "/etc/ld.so.cache"] {
                #expect(try image.cached(ImagePath(path)) != nil, "\(path)")
            }
            let libraries = HostPrograms.files.map(\.path).filter { $0.contains("/libc.") }
            for path in libraries { #expect(try image.cached(ImagePath(path)) != nil, "\(path)") }
        }
        // What is not there is no error.
        await ProgramAhead(image, environment: []).fetch(ContainerProgram(arguments: ["nothing"]))
        await ProgramAhead(image, environment: []).fetch(ContainerProgram(arguments: ["/etc"]))
    }
}

import CVMFS
import CatalogFixtures
import Glibc
import LocalServers
import RepositoryMaker
import Testing

@testable import Provisioner

/// They need root; an ordinary user's containers are run by the tests of the program.
@Suite(
    "A lazy image",
    .enabled(if: geteuid() == 0 && HostAbilities.hasNamespaces && HostAbilities.hasFUSE, "needs root and FUSE"))
struct LazyContainerTests {
    private static func repository(_ images: [String]) throws -> ProvisionedRepository {
        var made = try ProvisionedRepository()
        for image in images {
            try HostPrograms.add(to: &made.maker, at: image)
            try made.maker.file(RepositoryPath("\(image)/etc/name"), Array("\(image)\n".utf8))
            try made.maker.file(RepositoryPath("\(image)/never/read"), [UInt8](repeating: 7, count: 100_000))
            try made.maker.nested(RepositoryPath(image))
        }
        try made.publish()
        return made
    }

    /// Runs a script in an image, with the test's own folder at /out.
    private static func start(
        _ script: String, in image: Image, of repository: Repository, _ store: DiskStore, out: String,
        options: ContainerOptions = ContainerOptions()
    ) async throws -> LazyContainer {
        var options = options
        options.binds.append(ContainerBind(FilePath(out), at: "/out"))
        let program = ContainerProgram(arguments: ["sh", "-c", script], environment: ["PATH=/bin"])
        return try await image.start(program, from: repository, store: store, options: options)
    }

    private static func text(_ path: String) -> String { String(decoding: readFile(path) ?? [], as: UTF8.self) }

    @Test("gives a program what it touches, fetches nothing else, and shares files with another image")
    func lazily() async throws {
        let made = try Self.repository(["/one", "/two"])
        let out = try TemporaryFolder("out")
        let store = try DiskStore(at: made.cachePath)
        let repository = try await made.open(cache: store)
        let snapshot = try await repository.snapshot()
        let first = try await Self.start(
            "cat /etc/name >/out/name; exit 5", in: snapshot.image(at: "/one"), of: repository, store, out: out.path
        ).ended()
        #expect(first.status == .exited(5))
        #expect(Self.text(out.path + "/name") == "/one\n")
        #expect((1...first.requests).contains(first.roundTrips))
        // The shell, cat, the loader, the C library, the name; and not what nobody read.
        #expect(first.filesRead == 5)
        #expect(first.imageFiles == Int64(HostPrograms.files.count + 3))
        let fetched = repository.totals.objects
        // Its catalog and its name: all else is the first one's.
        let second = try await Self.start(
            "cat /etc/name >/out/name", in: snapshot.image(at: "/two"), of: repository, store, out: out.path
        ).ended()
        #expect(second.status == .exited(0))
        #expect(Self.text(out.path + "/name") == "/two\n")
        #expect(repository.totals.objects == fetched + 2)
        #expect(try HostAbilities.containerMounts().isEmpty)
    }

    @Test("can be any catalog, by its hash")
    func catalogByHash() async throws {
        let made = try Self.repository(["/images/one"])
        let out = try TemporaryFolder("out")
        let store = try DiskStore(at: made.cachePath)
        let entry = try await made.open().snapshot().entry(at: "/images/one")
        let nested = try #require(try await made.open().snapshot().nestedCatalog(at: entry))
        let repository = try await Repository.open(
            ProvisionedRepository.name, from: [made.server], trusting: .rootHash(nested.hash), cache: store)
        let image = try await repository.snapshot(.root(nested.hash)).image()
        let summary = try await Self.start(
            "cat /etc/name >/out/name; ls / >/out/list", in: image, of: repository, store, out: out.path
        ).ended()
        #expect(summary.status == .exited(0))
        #expect(Self.text(out.path + "/name") == "/images/one\n")
        #expect(Self.text(out.path + "/list").split(separator: "\n").contains("never"))
    }

    @Test("stays as it is while its repository moves on")
    func movingRepository() async throws {
        var made = try Self.repository(["/one"])
        let out = try TemporaryFolder("out")
        let store = try DiskStore(at: made.cachePath)
        let repository = try await made.open(cache: store)
        let script = "echo >/out/ready; until test -e /out/go; do :; done; cat /etc/name >/out/old; ls /etc >/out/list"
        let running = try await Self.start(
            script, in: repository.snapshot().image(at: "/one"), of: repository, store, out: out.path)
        try await until { readFile(out.path + "/ready") != nil }
        try made.maker.file("/one/etc/name", Array("changed\n".utf8))
        try made.maker.file("/one/etc/new", [1])
        try made.publish()
        let newest = try await repository.refresh().image(at: "/one")
        let other = try await Self.start(
            "cat /etc/name >/out/new", in: newest, of: repository, store, out: out.path
        ).ended()
        #expect(other.status == .exited(0))
        try out.write([], to: "go")
        #expect(try await running.ended().status == .exited(0))
        #expect(Self.text(out.path + "/old") == "/one\n")
        #expect(Self.text(out.path + "/list") == "name\n")
        #expect(Self.text(out.path + "/new") == "changed\n")
    }

    @Test("needs no server any more once it is complete, also when that stops while it runs")
    func completeThenGone() async throws {
        let made = try Self.repository(["/one"])
        let out = try TemporaryFolder("out")
        let store = try DiskStore(at: made.cachePath)
        let repository = try await made.open(cache: store)
        let image = try await repository.snapshot().image(at: "/one")
        let script = "echo >/out/ready; until test -e /out/go; do :; done; cat /never/read >/out/read"
        let running = try await Self.start(script, in: image, of: repository, store, out: out.path)
        try await until { readFile(out.path + "/ready") != nil }
        try await image.complete(in: store)
        try runToEnd(
            "/bin/mv", ["\(made.folder.path)/\(ProvisionedRepository.name)", made.folder.path + "/gone"],
            log: "/dev/null")
        try out.write([], to: "go")
        #expect(try await running.ended().status == .exited(0))
        #expect(readFile(out.path + "/read")?.count == 100_000)
        // A new process opens it by its record.
        let cache = try DiskStore(at: made.cachePath)
        let server = made.server
        let key = try MasterKey(pem: made.maker.masterKeyPEM)
        let opened = try await OpenedImage.open(
            ProvisionedRepository.name, path: "/one", .newest, store: cache
        ) { trust in
            try await Repository.open(
                ProvisionedRepository.name, from: [server], trusting: trust ?? .masterKeys([key]), cache: cache)
        }
        #expect(opened.pinned?.isComplete == true)
        let again = try await Self.start(
            "cat /etc/name >/out/name", in: opened.image, of: opened.repository, cache, out: out.path
        ).ended()
        #expect(again.status == .exited(0) && again.bytesFetched == 0)
    }

    @Test("gives set-id programs their owner's rights inside, and none where that is not allowed")
    func setID() async throws {
        var made = try ProvisionedRepository()
        try HostPrograms.add(to: &made.maker, at: "/one")
        let cat = try #require(HostPrograms.files.first { $0.path == "/bin/cat" }).content
        let owned: (inout EntryRow) -> Void = { row in (row.uid, row.gid) = (0, 0) }
        try made.maker.file("/one/bin/rootcat", cat, mode: 0o4755, owned)
        try made.maker.file("/one/etc/secret", Array("secret\n".utf8), mode: 0o600, owned)
        try made.publish()
        let out = try TemporaryFolder("out", isOpen: true)
        let store = try DiskStore(at: made.cachePath)
        let repository = try await made.open(cache: store)
        let image = try await repository.snapshot().image(at: "/one")
        for (allowed, code) in [(true, Int32(0)), (false, 1)] {
            let options = ContainerOptions(
                binds: [ContainerBind(FilePath(out.path), at: "/out")], allowsNewPrivileges: allowed)
            let program = ContainerProgram(
                arguments: ["sh", "-c", "cat /etc/secret 2>/dev/null && exit 9; rootcat /etc/secret >/out/read 2>&1"],
                environment: ["PATH=/bin"], user: ImageUser(id: 1234, group: 1234))
            let summary = try await image.start(program, from: repository, store: store, options: options).ended()
            #expect(summary.status == .exited(code))
            #expect((Self.text(out.path + "/read") == "secret\n") == allowed)
        }
    }

    @Test("that is hostile reaches nothing of the host's")
    func hostile() async throws {
        var made = try ProvisionedRepository()
        try HostPrograms.add(to: &made.maker, at: "/one")
        let secret = try TemporaryFolder("secret")
        try secret.write(Array("secret\n".utf8), to: "file")
        made.maker.symlink("/one/absolute", to: secret.path + "/file")
        made.maker.symlink("/one/relative", to: "../../../../../../../.." + secret.path + "/file")
        made.maker.symlink("/one/etc/resolv.conf", to: secret.path + "/written")
        // Device nodes of an image are no devices.
        made.maker.entry(.special("/one/null", type: 0o020000, device: 0x103))
        try made.publish()
        let out = try TemporaryFolder("out")
        let store = try DiskStore(at: made.cachePath)
        let repository = try await made.open(cache: store)
        let script = """
            cat /absolute >/out/absolute 2>/dev/null; cat /relative >/out/relative 2>/dev/null
            echo x >/etc/resolv.conf 2>/dev/null
            cat /null >/out/null 2>/dev/null && echo opened >/out/device
            test -c /null && echo seen >/out/seen
            """
        let summary = try await Self.start(
            script, in: repository.snapshot().image(at: "/one"), of: repository, store, out: out.path
        ).ended()
        #expect(summary.status == .exited(0))
        #expect(readFile(out.path + "/absolute") == [] && readFile(out.path + "/relative") == [])
        #expect(readFile(secret.path + "/written") == nil)
        #expect(readFile(out.path + "/seen") != nil && readFile(out.path + "/device") == nil)
    }
}

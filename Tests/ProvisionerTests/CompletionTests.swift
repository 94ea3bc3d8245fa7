import CVMFS
import LocalServers
import RepositoryMaker
import Testing

@testable import Provisioner

@Suite("Completing an image")
struct CompletionTests {
    /// Two images that share a file, each in a nested catalog; one has a chunked file and a nested catalog of its own.
    private static func repository() throws -> ProvisionedRepository {
        var made = try ProvisionedRepository()
        for image in ["one", "two"] {
            made.maker.directory(RepositoryPath("/images/\(image)"))
            try made.maker.file(RepositoryPath("/images/\(image)/shared"), Array("shared by both\n".utf8))
            try made.maker.file(RepositoryPath("/images/\(image)/own"), Array("of \(image)\n".utf8))
            try made.maker.file(RepositoryPath("/images/\(image)/empty"), [])
            made.maker.symlink(RepositoryPath("/images/\(image)/link"), to: "own")
            try made.maker.nested(RepositoryPath("/images/\(image)"))
        }
        try made.maker.file(
            "/images/one/usr/large", (0..<200_000).map { UInt8(truncatingIfNeeded: $0 + $0 / 65536) }, chunkSize: 65536)
        try made.maker.nested("/images/one/usr")
        try made.maker.file("/.metadata/images/one/config.json", Array(#"{"config":{"Cmd":["/x"]}}"#.utf8))
        try made.publish()
        return made
    }

    private static func open(_ made: borrowing ProvisionedRepository, _ store: DiskStore) async throws -> Image {
        try await made.open(cache: store).snapshot().image(at: "/images/one")
    }

    @Test("fetches what is missing, and only that")
    func fetches() async throws {
        let made = try Self.repository()
        let store = try DiskStore(at: made.cachePath)
        let image = try await Self.open(made, store)
        _ = try await image.open("/own")
        let first = try await image.complete(in: store)
        // The shared file, the chunked one, the configuration; what has no content is not fetched.
        #expect(first.fetched == 3)
        #expect(first.image.isComplete && first.image.files == 7)
        // Root catalog, two nested ones, own, shared, configuration, four chunks.
        #expect(first.image.objects == 10)
        let again = try await image.complete(in: store)
        #expect(again.fetched == 0 && again.image.isComplete)
        #expect(try store.pins().map(\.objects) == [10])
        #expect(try PinnedImages(of: store).all().map(\.path) == ["/images/one"])
    }

    @Test("makes an image that is read whole without any server, from its record alone")
    func offline() async throws {
        let made = try Self.repository()
        let store = try DiskStore(at: made.cachePath)
        try await Self.open(made, store).complete(in: store)
        let pinned = try #require(
            try PinnedImages(of: store).complete(ProvisionedRepository.name, path: "/images/one"))
        let offline = try await Repository.open(
            ProvisionedRepository.name, from: ["file:///no/such/place"], trusting: .rootHash(pinned.rootHash),
            cache: DiskStore(at: made.cachePath))
        let image = try await offline.snapshot(.root(pinned.rootHash)).image(at: pinned.path)
        var read = 0
        for try await entry in image.walk() where entry.kind == .file {
            let content = try await image.snapshot.file(entry).readAll()
            #expect(content.count == Int(entry.size))
            read += 1
        }
        #expect(read == 5 + 1)
        #expect(try await ImageConfiguration.published(with: image).command == ["/x"])
        #expect(offline.totals.bytes == 0)
        // The other image was never asked for.
        let other = try await offline.snapshot(.root(pinned.rootHash))
        await #expect(throws: CVMFSError.self) {
            for try await _ in other.walk("/images/two") {}
        }
    }

    @Test("goes on where it was interrupted, and says that it is not complete until it is")
    func interrupted() async throws {
        let made = try Self.repository()
        let store = try DiskStore(at: made.cachePath)
        let image = try await Self.open(made, store)
        let missing = "\(made.folder.path)/\(ProvisionedRepository.name)/data"
        let moved = missing + ".away"
        // Catalogs are there, contents are not: the servers "fail" in the middle.
        _ = try await ImageContent.of(image)
        try runToEnd("/bin/mv", [missing, moved], log: "/dev/null")
        await #expect(throws: CVMFSError.self) { try await image.complete(in: store) }
        #expect(try PinnedImages(of: store).all().map(\.isComplete) == [false])
        #expect(try PinnedImages(of: store).complete(ProvisionedRepository.name, path: "/images/one") == nil)
        try runToEnd("/bin/mv", [moved, missing], log: "/dev/null")
        let completed = try await image.complete(in: store).image
        #expect(completed.isComplete)
    }

    @Test("keeps it from eviction until it is released")
    func pinned() async throws {
        let made = try Self.repository()
        let store = try DiskStore(at: made.cachePath)
        let image = try await Self.open(made, store)
        let pinned = try await image.complete(in: store).image
        let pins = PinnedImages(of: store)
        #expect(try store.pins().map(\.name) == [pinned.name])
        // Another image of the same repository is another pin.
        let other = try await image.snapshot.image(at: "/images/two").complete(in: store).image
        #expect(try pins.all().count == 2)
        try pins.release(pinned)
        #expect(try pins.all() == [other])
        #expect(try store.pins().map(\.name) == [other.name])
    }

    @Test("passes over records that are none")
    func hostileRecords() async throws {
        let made = try Self.repository()
        let store = try DiskStore(at: made.cachePath)
        let records = [
            "{", "[]", #"{"repository":"x"}"#, String(repeating: "[", count: 2_000_000),
            #"{"repository":"a","path":"!!","rootHash":"00","revision":1,"objects":1,"bytes":1,"files":1,"time":1,"isComplete":true}"#,
        ]
        for (number, text) in records.enumerated() {
            try writeFile(text.utf8, to: "\(made.cachePath)/image-\(number).json")
        }
        #expect(try PinnedImages(of: store).all().isEmpty)
    }
}

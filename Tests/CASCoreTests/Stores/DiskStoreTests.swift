import CPlatform
import CVMFSTesting
import FixtureTrees
import Foundation
import SystemPackage
import Testing

@testable import CASCore

@Suite("DiskStore")
struct DiskStoreTests {
    private let folder = TestFolder()

    private func attributes(_ path: FilePath) throws -> [FileAttributeKey: Any] {
        try FileManager.default.attributesOfItem(atPath: path.string)
    }

    // MARK: Layout

    @Test("an object is its plain content, in a file that only the owner can read")
    func layout() async throws {
        let path = folder.path.appending("parent").appending("cache")
        let store = try DiskStore(at: path)
        let packed = SampleObject(size: 5000, seed: 1, algorithm: .shake128)
        let plain = SampleObject(size: 5000, seed: 2, compression: .none)
        try await store.store(packed)
        try await store.store(plain)
        let digits = packed.id.hash.hexadecimal
        let file = path.appending(String(digits.prefix(2))).appending(String(digits.dropFirst(2)) + "-shake128")
        #expect(store.file(of: packed) == file)
        #expect(FileManager.default.contents(atPath: file.string).map(Array.init) == packed.plain)
        #expect(store.file(of: plain).string.hasSuffix(".none"))
        for (path, mode) in [(path, 0o700), (file.removingLastComponent(), 0o700), (file, 0o600)] {
            #expect(try attributes(path)[.posixPermissions] as? Int == mode, "\(path)")
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: path.appending("txn").string).isEmpty)
        #expect(try store.usage() == StoreUsage(size: .kibibytes(16), objects: 2))
        #expect(store.statistics.storedObjects == 2 && store.statistics.storedBytes == 10_000)
    }

    @Test("the objects of several repositories live in one store, each once")
    func fixtures() async throws {
        let store = try DiskStore(at: folder.path)
        var stored: [ObjectID: [UInt8]] = [:]
        for repository in Fixtures.small {
            for path in try repository.objectPaths() {
                var text = path.dropFirst("data/".count).filter { $0 != "/" }
                let kind = ObjectKind.allCases.first { $0 != .file && text.hasSuffix($0.letter) } ?? .file
                text.removeLast(kind.letter.count)
                let isFile = kind == .file || kind == .chunk
                let hash = try #require(ContentHash(text))
                let id = ObjectID(hash, kind: kind, compression: isFile ? repository.fileCompression : .zlib)
                let bytes = try repository.bytes(path)
                let plain = try id.unpack(bytes.span.bytes, size: .atMost(64 << 20))
                let object = SampleObject(id: id, stored: bytes, plain: plain)
                #expect(try await store.store(object).readAll() == plain, "\(repository) \(path)")
                stored[id] = plain
            }
        }
        for (id, plain) in stored { #expect(try store.cached(id)?.readAll() == plain) }
        #expect(try store.usage() == store.countedByHand())
        #expect(try store.usage().objects == stored.count)
        #expect(try await store.verify().objects == stored.count)
    }

    @Test("several stores on one folder see each other's objects")
    func sharing() async throws {
        let first = try DiskStore(at: folder.path)
        let second = try DiskStore(at: folder.path)
        let object = SampleObject(size: 100, seed: 3)
        try await first.store(object)
        #expect(try second.cached(object.id)?.readAll() == object.plain)
        try second.remove(object.id)
        #expect(try first.cached(object.id) == nil)
        #expect(try first.usage() == StoreUsage(size: .zero, objects: 0))
    }

    @Test("the handle of a new object cannot write, so that the object can be executed")
    func handleCannotWrite() async throws {
        let store = try DiskStore(at: folder.path)
        for (seed, limit) in [(4, ByteCount.gibibytes(4)), (5, .bytes(100))] as [(UInt64, ByteCount)] {
            let store = try DiskStore(at: store.path, limit: limit)
            let handle = try await store.store(SampleObject(size: 100, seed: seed))
            let mode = try handle.withDescriptor { fcntl($0.rawValue, F_GETFL) & O_ACCMODE }
            #expect(mode == O_RDONLY)
        }
        let script = SampleObject(plain: Array("#!/bin/sh\nexit 7\n".utf8))
        let handle = try await store.store(script)
        chmod(store.file(of: script).string, 0o700)
        let child = try Process.run(URL(fileURLWithPath: store.file(of: script).string), arguments: [])
        child.waitUntilExit()
        #expect(child.terminationStatus == 7)
        withExtendedLifetime(handle) {}
    }

    // MARK: Opening

    @Test("opening looks into no folder of objects")
    func openingDoesNotScan() async throws {
        let store = try DiskStore(at: folder.path)
        for seed in 0..<600 as Range<UInt64> { try await store.store(SampleObject(size: 10, seed: seed)) }
        let folders = try FileManager.default.contentsOfDirectory(atPath: folder.path.string).filter { $0.count == 2 }
        #expect(folders.count > 200)
        // Listing a folder marks it as accessed, if that was longer ago than its last change.
        func accessed() -> [Int64] {
            folders.map { name in
                var status = cplatform_status()
                cplatform_status_at(store.files.folder.descriptor, name, &status)
                return status.accessed
            }
        }
        for name in folders {
            let opened = cplatform_open_file(store.files.folder.descriptor, name, 0)
            #expect(cplatform_set_accessed(opened, 1_000_000_000) == 0)
            cplatform_close(opened)
        }
        let untouched = [Int64](repeating: 1_000_000_000, count: folders.count)
        #expect(accessed() == untouched)
        let again = try DiskStore(at: folder.path)
        let usage = try again.usage()
        #expect(usage.objects == 600)
        let object = SampleObject(size: 10, seed: 599)
        #expect(try again.cached(object.id)?.readAll() == object.plain)
        #expect(accessed() == untouched)
        // That it would have been seen.
        _ = try await again.verify()
        let seen = zip(accessed(), untouched).allSatisfy { $0 != $1 }
        #expect(seen, "this file system does not keep times of access, so the test shows nothing")
    }

    @Test("a folder of the reference, or of an unknown version, is refused")
    func incompatible() async throws {
        for name in ["00", "cachedb", ".cvmfscache"] {
            let path = folder.path.appending(name + "-cache")
            mkdir(path.string, 0o700)
            mkdir(path.appending(name).string, 0o700)
            #expect(await refusal { _ = try DiskStore(at: path) } == .incompatible)
        }
        let path = folder.path.appending("newer")
        _ = try DiskStore(at: path)
        for text in ["swift-cvmfs cache 2\n", "swift-cvmfs cache 1\nmore", String(repeating: "x", count: 1000)] {
            try text.write(toFile: path.appending("format").string, atomically: true, encoding: .utf8)
            #expect(await refusal { _ = try DiskStore(at: path) } == .incompatible, "\(text)")
        }
        // As a power failure may leave it.
        for text in ["", "\0\0\0"] {
            try text.write(toFile: path.appending("format").string, atomically: true, encoding: .utf8)
            _ = try DiskStore(at: path, access: .readOnly)
            _ = try DiskStore(at: path)
            let format = try String(contentsOfFile: path.appending("format").string, encoding: .utf8)
            #expect(format == "swift-cvmfs cache 1\n")
        }
        #expect(await refusal { _ = try DiskStore(at: folder.path, access: .readOnly) } == .incompatible)
        #expect(await refusal { _ = try DiskStore(at: folder.path.appending("absent"), access: .readOnly) } == .system)
    }

    @Test("a folder with other files in it can become a cache")
    func foreignFiles() async throws {
        mkdir(folder.path.appending("lost+found").string, 0o700)
        let store = try DiskStore(at: folder.path)
        try await store.store(SampleObject(size: 10, seed: 1))
        let foreign = folder.path.appending("ab")
        mkdir(foreign.string, 0o700)
        try "mine".write(toFile: foreign.appending("README").string, atomically: true, encoding: .utf8)
        #expect(try await store.verify().objects == 1)
        #expect(FileManager.default.fileExists(atPath: foreign.appending("README").string))
    }

    @Test("a file in the place of the folder is an error")
    func fileInPlace() async throws {
        let path = folder.path.appending("file")
        try "".write(toFile: path.string, atomically: true, encoding: .utf8)
        #expect(await refusal { _ = try DiskStore(at: path) } == .system)
    }

    @Test("counters that are not whole are made anew, and count again")
    func damagedCounters() async throws {
        let store = try DiskStore(at: folder.path)
        for seed in 0..<50 as Range<UInt64> { try await store.store(SampleObject(size: 5000, seed: seed)) }
        let right = try store.usage()
        let file = folder.path.appending("usage")
        let whole = try #require(FileManager.default.contents(atPath: file.string))
        var negative = whole
        negative[4096 + 7] = 0xFF
        var other = whole
        other[0] ^= 1
        for damaged in [Data(), whole.prefix(100), whole + [0], negative, other] {
            try damaged.write(to: URL(fileURLWithPath: file.string))
            let again = try DiskStore(at: folder.path)
            // In the background otherwise.
            _ = try again.files.evictor.makeRoom(for: .upkeep)
            #expect(try again.usage() == right)
        }
        try FileManager.default.removeItem(atPath: file.string)
        let again = try DiskStore(at: folder.path)
        _ = try again.files.evictor.makeRoom(for: .upkeep)
        #expect(try again.usage() == right)
    }

    // MARK: Reading only

    @Test("a store that is only read gives what is there, changes nothing, and says so")
    func readOnly() async throws {
        let object = SampleObject(size: 5000, seed: 1)
        let damaged = SampleObject(size: 5000, seed: 2)
        let other = SampleObject(size: 5000, seed: 3)
        do {
            let store = try DiskStore(at: folder.path)
            try await store.store(object)
            try await store.store(damaged)
            store.setAccessed(object, 1000)
            try Data(damaged.plain.dropLast()).write(to: URL(fileURLWithPath: store.file(of: damaged).string))
        }
        var store = try DiskStore(at: folder.path, access: .readOnly)
        #expect(store.isReadOnly)
        #expect(try store.usage().objects == 2)
        try FileManager.default.removeItem(atPath: folder.path.appending("usage").string)
        store = try DiskStore(at: folder.path, access: .readOnly)
        #expect(try store.usage().objects == 2)
        #expect(try store.cached(object.id)?.readAll() == object.plain)
        #expect(try store.cached(damaged.id) == nil)
        #expect(try await store.store(object).readAll() == object.plain)
        #expect(await refusal { try await store.store(other) } == .readOnly)
        #expect(await refusal { try store.remove(object.id) } == .readOnly)
        #expect(await refusal { _ = try await store.lease([object.id], for: "x") } == .readOnly)
        #expect(await refusal { try await store.pin("x", [object.id]) } == .readOnly)
        #expect(try await store.verify().damagedObjects.map(\.id) == [damaged.id])
        #expect(FileManager.default.fileExists(atPath: store.file(of: damaged).string))
        var status = cplatform_status()
        ObjectName(object.id).withPointer { _ = cplatform_status_at(store.files.folder.descriptor, $0, &status) }
        #expect(status.accessed == 1_000_000_000_000)
    }

    @Test("a store on a read-only file system says that it cannot be written, and can be read")
    func readOnlyFileSystem() async throws {
        let object = SampleObject(size: 5000, seed: 1)
        let path = folder.path.appending("cache")
        let bound = folder.path.appending("bound")
        try await DiskStore(at: path).store(object)
        mkdir(bound.string, 0o700)
        guard let mount = TestMount(["--bind", path.string], at: bound, remounting: "ro,bind") else { return }
        defer { withExtendedLifetime(mount) {} }
        #expect(await refusal { _ = try DiskStore(at: bound) } == .readOnly)
        let store = try DiskStore(at: bound, access: .readOnly)
        #expect(try store.cached(object.id)?.readAll() == object.plain)
        // Of another boot: it cannot be marked, so that it is remembered.
        let later = try CacheFolder(at: bound, isWritable: false, boot: BootID(first: 1, second: 2))
        let other = try DiskStore(in: later, limit: .gibibytes(1))
        for _ in 0..<2 { #expect(try other.cached(object.id)?.readAll() == object.plain) }
    }

    @Test("a folder that the user may not write is refused unless it is only read")
    func notWritable() async throws {
        // Root may write everywhere but where nobody can.
        #expect(await refusal { _ = try DiskStore(at: "/proc/cvmfs-cache") } != nil)
        guard geteuid() != 0 else { return }
        let path = folder.path.appending("cache")
        _ = try DiskStore(at: path)
        chmod(path.string, 0o500)
        chmod(path.appending("txn").string, 0o500)
        #expect(await refusal { _ = try DiskStore(at: path) } == .readOnly)
        _ = try DiskStore(at: path, access: .readOnly)
        chmod(path.string, 0o700)
    }

    // MARK: Attacks from within the folder

    @Test("links, fifos and folders in the place of objects are not followed, and the object can be had all the same")
    func foreignThings() async throws {
        let store = try DiskStore(at: folder.path)
        let secret = folder.path.appending("secret")
        try Data([1, 2, 3]).write(to: URL(fileURLWithPath: secret.string))
        for kind in 0..<4 {
            let object = SampleObject(size: 3000, seed: UInt64(kind))
            let file = store.file(of: object)
            mkdir(file.removingLastComponent().string, 0o700)
            switch kind {
            case 0: #expect(symlink(secret.string, file.string) == 0)
            case 1: #expect(mkfifo(file.string, 0o600) == 0)
            case 2: #expect(mkdir(file.string, 0o700) == 0)
            default: #expect(symlink("nowhere", file.string) == 0)
            }
            #expect(try store.cached(object.id) == nil)
            #expect(!store.contains(object.id))
            #expect(try await store.store(object).readAll() == object.plain)
        }
        #expect(FileManager.default.contents(atPath: secret.string) == Data([1, 2, 3]))
        #expect(try store.usage().objects == 0)
        #expect(try await store.verify().damagedObjects.count == 4)
        // All but the folder could be removed.
        #expect(try await store.verify().damagedObjects.count == 1)
    }

    @Test("a link in the place of a folder of objects is not followed")
    func linkedFolder() async throws {
        let store = try DiskStore(at: folder.path.appending("cache"))
        let object = SampleObject(size: 3000, seed: 1)
        try await store.store(object)
        let place = store.file(of: object).removingLastComponent()
        let elsewhere = folder.path.appending("elsewhere")
        #expect(rename(place.string, elsewhere.string) == 0)
        #expect(symlink(elsewhere.string, place.string) == 0)
        #expect(try store.cached(object.id) == nil)
    }

    @Test("nobody else's file is an object: it has no check record")
    func planted() async throws {
        let store = try DiskStore(at: folder.path)
        let object = SampleObject(size: 3000, seed: 1)
        let file = store.file(of: object)
        mkdir(file.removingLastComponent().string, 0o700)
        try Data(repeating: 7, count: 3000).write(to: URL(fileURLWithPath: file.string))
        #expect(try store.cached(object.id) == nil)
        #expect(!FileManager.default.fileExists(atPath: file.string))
        #expect(store.statistics.droppedObjects == 1)
    }

    // MARK: Uses

    @Test("opening an object marks its use, but not again within ten minutes")
    func recency() async throws {
        let store = try DiskStore(at: folder.path)
        let object = SampleObject(size: 10, seed: 1)
        try await store.store(object)
        func accessed() -> Int64 {
            var status = cplatform_status()
            ObjectName(object.id).withPointer { _ = cplatform_status_at(store.files.folder.descriptor, $0, &status) }
            return status.accessed / 1_000_000_000
        }
        let now = cplatform_now() / 1_000_000_000
        for (before, isMarked) in [(now - 300, false), (now - 601, true), (1000, true), (now + 3600, true)] {
            store.setAccessed(object, before)
            #expect(store.contains(object.id))
            #expect(accessed() == before)
            _ = try store.cached(object.id)
            #expect((accessed() != before) == isMarked, "\(before - now) seconds ago")
            #expect(!isMarked || (now...now + 600).contains(accessed()))
        }
        let statistics = store.statistics
        #expect(statistics.hits == 4 && statistics.misses == 1)
    }
}

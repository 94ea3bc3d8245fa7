import CASCore
import Catalog
import CatalogFixtures
import Foundation
import Synchronization
import SystemPackage
import Testing

@Suite("Where catalogs are read from")
struct SourceTests {
    /// An object of a store that keeps it in memory.
    private final class Content: StoredObject {
        let id = ObjectID(.made(1), kind: .catalog)
        let bytes: [UInt8]
        var size: Int64 { Int64(bytes.count) }

        init(_ bytes: [UInt8]) { self.bytes = bytes }

        func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(CASError) -> Int {
            guard offset < size else { return 0 }
            let part = bytes[Int(offset)...].prefix(buffer.count)
            buffer.copyBytes(from: part)
            return part.count
        }

        func withDescriptor<Result>(_ body: (FileDescriptor) throws -> Result) throws -> Result {
            throw CASError(.system, "kept in memory")
        }
    }

    /// Says when it is gone.
    private final class Owner: Sendable {
        let isGone: FlagBox
        init(_ isGone: FlagBox) { self.isGone = isGone }
        deinit { isGone.set() }
    }

    private final class FlagBox: Sendable {
        private let flag = Atomic(false)
        var isSet: Bool { flag.load(ordering: .sequentiallyConsistent) }
        func set() { flag.store(true, ordering: .sequentiallyConsistent) }
    }

    private func makeSample(files: Int = 400) throws -> MadeCatalog {
        try MadeCatalog {
            for number in 0..<files { try $0.add(.file(RepositoryPath("/file-\(number)"), size: Int64(number))) }
        }
    }

    @Test("a catalog is read from an object in memory")
    func object() throws {
        let catalog = try FileCatalog(Content(try makeSample().bytes()), mountedAt: "/mnt")
        #expect(try catalog.list("/mnt").count == 400)
        #expect(try catalog.entry(at: "/mnt/file-399")?.size == 399)
    }

    @Test("errors name the object")
    func label() throws {
        let object = Content(Array("nothing".utf8))
        do {
            _ = try FileCatalog(object)
            Issue.record("opened")
        } catch {
            #expect(error.code == .notADatabase && error.message.contains("\(object.id)"))
        }
    }

    @Test("a catalog on a descriptor outlives the file's name, and its owner lives as long as it")
    func descriptor() throws {
        let made = try makeSample()
        let descriptor = try FileDescriptor.open(made.path, .readOnly)
        defer { try? descriptor.close() }
        let isGone = FlagBox()
        var catalog: FileCatalog? = try FileCatalog(descriptor: descriptor, keeping: Owner(isGone))
        try FileManager.default.removeItem(atPath: made.path.string)
        try Data("something else".utf8).write(to: URL(filePath: made.path.string))
        let count = try catalog?.list(.root).count
        #expect(count == 400)
        #expect(try descriptor.seek(offset: 0, from: .current) == 0)
        #expect(!isGone.isSet)
        catalog = nil
        #expect(isGone.isSet)
        var byte: UInt8 = 0
        let read = try withUnsafeMutableBytes(of: &byte) { try descriptor.read(fromAbsoluteOffset: 0, into: $0) }
        #expect(read == 1)
    }

    @Test("a file that shrinks while it is open gives an error")
    func shrinking() throws {
        let made = try makeSample()
        let catalog = try made.open()
        let file = try FileDescriptor.open(made.path, .writeOnly)
        defer { try? file.close() }
        try file.resize(to: 8192)
        #expect(code { _ = try catalog.list(.root) } == .truncated)
        try file.resize(to: 0)
        let other = try? made.open()
        #expect(other == nil)
    }

    @Test("a descriptor that cannot be read gives an error")
    func unreadable() throws {
        let made = try makeSample()
        let descriptor = try FileDescriptor.open(made.path, .writeOnly)
        defer { try? descriptor.close() }
        #expect(code { _ = try FileCatalog(descriptor: descriptor, keeping: nil) } == .io)
        #expect(code { _ = try FileCatalog(descriptor: FileDescriptor(rawValue: -1), keeping: nil) } == .io)
    }

    @Test("histories and reflogs are read from descriptors and objects too")
    func others() throws {
        let folder = try TemporaryFolder()
        let maker = try DatabaseMaker(at: folder.path("both.db"))
        try maker.run("CREATE TABLE properties (key TEXT PRIMARY KEY, value TEXT)")
        try maker.run("INSERT INTO properties VALUES ('fqrn', 'made.example.org')")
        try maker.run("CREATE TABLE refs (hash TEXT PRIMARY KEY, type INTEGER, timestamp INTEGER)")
        try maker.run(
            "CREATE TABLE tags (name TEXT PRIMARY KEY, hash TEXT, revision INTEGER, timestamp INTEGER, "
                + "channel INTEGER, description TEXT)")
        let path = FilePath(folder.path("both.db"))
        let descriptor = try FileDescriptor.open(path, .readOnly)
        defer { try? descriptor.close() }
        #expect(try HistoryDatabase(descriptor: descriptor, keeping: nil).tags().isEmpty)
        #expect(try ReflogDatabase(descriptor: descriptor, keeping: nil).references().isEmpty)
        let bytes = try Array(Data(contentsOf: URL(filePath: path.string)))
        #expect(try HistoryDatabase(Content(bytes)).fqrn == "made.example.org")
        #expect(code { _ = try FileCatalog(Content(bytes)) } == .missingTable)
    }

    @Test("memory is bounded by what is asked for, and given back")
    func memory() throws {
        let folder = try TemporaryFolder()
        try LargeCatalog(entries: 8000).write(to: folder.path("large.db"))
        let path = FilePath(folder.path("large.db"))
        let catalog = try FileCatalog(at: path, options: CatalogOptions(cacheBytes: 256 << 10, connections: 1))
        #expect(try catalog.allRows().count == 8000)
        let full = catalog.memoryUsed
        #expect(full > 200 << 10 && full < 400 << 10)
        catalog.releaseMemory()
        #expect(catalog.memoryUsed < 100 << 10)
        #expect(try catalog.entry(at: LargeCatalog(entries: 8000).path(ofFile: 5)) != nil)
    }
}

import CASCore
import Glibc
import LocalServers
import Testing

@testable import Publishing

@Suite("Storage folders")
struct LocalStorageTests {
    private let content: [UInt8] = Array("some content".utf8)
    private var object: ObjectID {
        ObjectID(ContentHash(hashing: content, with: .sha1), kind: .chunk, compression: .none)
    }

    @Test("an object is stored whole, listed, unpacked and removed")
    func objects() throws {
        let folder = try TemporaryFolder("storage")
        let storage = try LocalStorage(at: "\(folder.path)/a/b", creates: true)
        #expect(try !storage.contains(object))
        try storage.upload(.bytes(content), as: object)
        #expect(try storage.size(of: object) == Int64(content.count))
        #expect(readFile("\(folder.path)/a/b/\(object.serverPath)") == content)
        let number = try #require(object.hash.digest.first)
        let listed = try storage.objects(inFolder: number)
        #expect(listed.map(\.object.hash) == [object.hash])
        #expect(listed.map(\.size) == [Int64(content.count)])
        #expect(try storage.objects(inFolder: number).first?.object.kind == .chunk)
        try storage.unpack(object, to: "\(folder.path)/unpacked")
        #expect(readFile("\(folder.path)/unpacked") == content)
        #expect(try storage.remove(object))
        #expect(try !storage.remove(object))
        #expect(try !storage.contains(object))
    }

    @Test("what is there already is not written again")
    func notTwice() throws {
        let folder = try TemporaryFolder("storage")
        let storage = try LocalStorage(at: folder.path, creates: true)
        try storage.upload(.bytes(content), as: object)
        try writeFile([1], to: "\(folder.path)/\(object.serverPath)")
        try storage.upload(.bytes(content), as: object)
        #expect(readFile("\(folder.path)/\(object.serverPath)") == [1])
        let source = try folder.write(content, to: "source")
        try storage.upload(.file(at: source), as: object)
        #expect(readFile("\(folder.path)/\(object.serverPath)") == [1])
        #expect(readFile(source) == nil)
    }

    @Test("a prepared file becomes an object, readable by all")
    func preparedFile() throws {
        let folder = try TemporaryFolder("storage")
        let storage = try LocalStorage(at: "\(folder.path)/s", creates: true)
        let source = try folder.write(content, to: "source")
        chmod(source, 0o600)
        try storage.upload(.file(at: source), as: object)
        #expect(readFile("\(folder.path)/s/\(object.serverPath)") == content)
        var status = stat()
        #expect(stat("\(folder.path)/s/\(object.serverPath)", &status) == 0)
        #expect(status.st_mode & 0o777 == 0o644)
        #expect(status.st_nlink == 1)
    }

    @Test("folders that were lost because they were empty are made again")
    func lostFolders() throws {
        let folder = try TemporaryFolder("storage")
        try folder.write([], to: "data/keep")
        let storage = try LocalStorage(at: folder.path)
        try storage.removeAbandoned()
        try storage.upload(.bytes(content), as: object)
        #expect(try storage.contains(object))
    }

    @Test("files of the root are replaced, read and removed, and nothing else is reached")
    func rootFiles() throws {
        let folder = try TemporaryFolder("storage")
        let storage = try LocalStorage(at: folder.path, creates: true)
        #expect(try storage.read(".cvmfspublished", limit: 10) == nil)
        try storage.replace(".cvmfspublished", with: [1, 2, 3])
        try storage.replace(".cvmfspublished", with: [4])
        #expect(try storage.read(".cvmfspublished", limit: 10) == [4])
        #expect(throws: PublishingError.self) { try storage.read(".cvmfspublished", limit: 0) }
        try storage.remove(".cvmfspublished")
        try storage.remove(".cvmfspublished")
        #expect(try storage.read(".cvmfspublished", limit: 10) == nil)
        for name in ["", "..", "a/b", "data", "/etc/passwd"] {
            #expect(throws: PublishingError.self) { try storage.replace(name, with: []) }
        }
        try storage.synchronize()
    }

    @Test("a damaged object is not unpacked, and leaves no file")
    func damagedObject() throws {
        let folder = try TemporaryFolder("storage")
        let storage = try LocalStorage(at: folder.path, creates: true)
        try storage.upload(.bytes(content + [0]), as: object)
        #expect(throws: PublishingError.self) { try storage.unpack(object, to: "\(folder.path)/unpacked") }
        #expect(readFile("\(folder.path)/unpacked") == nil)
        #expect(throws: PublishingError.self) {
            try storage.unpack(object, to: "\(folder.path)/unpacked", limit: 3)
        }
    }

    @Test("a folder without objects is no storage")
    func noStorage() throws {
        let folder = try TemporaryFolder("storage")
        for path in [folder.path, "\(folder.path)/absent"] {
            do {
                _ = try LocalStorage(at: path)
                Issue.record("\(path) was opened")
            } catch {
                #expect(error.code == .noRepository)
            }
        }
    }

    @Test("what a killed writer left in the scratch folder is removed")
    func abandoned() throws {
        let folder = try TemporaryFolder("storage")
        let storage = try LocalStorage(at: folder.path, creates: true)
        try folder.write([1], to: "data/txn/left")
        try storage.removeAbandoned()
        #expect(readFile("\(folder.path)/data/txn/left") == nil)
    }
}

import CASCore
import CVMFSTesting
import Glibc
import LocalServers
import Synchronization
import Testing

@testable import Publishing

@Suite("Every uploader keeps the word of ObjectUploader")
struct UploaderConformanceTests {
    @Test("LocalStorage", arguments: ObjectUploaderConformance.Requirement.allCases)
    func local(_ requirement: ObjectUploaderConformance.Requirement) async throws {
        let folder = try TemporaryFolder("uploader")
        let path = folder.path
        try await ObjectUploaderConformance {
            let storage = try LocalStorage(at: path, creates: true)
            return .init(storage) { readFile("\(path)/\($0)") }
        }.check(requirement)
    }

    @Test("one that keeps all in memory", arguments: ObjectUploaderConformance.Requirement.allCases)
    func memory(_ requirement: ObjectUploaderConformance.Requirement) async throws {
        try await ObjectUploaderConformance {
            let memory = MemoryUploader()
            return .init(memory) { memory.served($0) }
        }.check(requirement)
    }

    @Test("the suite finds one that forgets kinds, leaves files, ignores limits, and writes anywhere")
    func suiteCanFail() async throws {
        let conformance = ObjectUploaderConformance {
            let memory = MemoryUploader(isCareless: true)
            return .init(memory) { memory.served($0) }
        }
        var failed: [String] = []
        for requirement in ObjectUploaderConformance.Requirement.allCases {
            do { try await conformance.check(requirement) } catch { failed.append(requirement.name) }
        }
        for name in [
            "an object of one kind is none of another", "a file becomes an object, and is gone",
            "what is there is not replaced", "a file of just the limit is read, a longer one is refused",
            "a name that leads elsewhere is refused",
        ] {
            #expect(failed.contains(name), "not found: \(name)")
        }
    }

    @Test("content is published through an uploader of anyone's as it is into a folder")
    func pipeline() async throws {
        let folder = try TemporaryFolder("uploader")
        let memory = MemoryUploader()
        let pipeline = try ContentPipeline(uploader: memory, scratchFolder: folder.path)
        let content = SampleObject.content(size: 20_000_000, seed: 1)
        let stored = try await pipeline.store(BytesSource(content))
        try await pipeline.finish()
        #expect(stored.chunks.count > 1)
        let storage = try LocalStorage(at: "\(folder.path)/storage", creates: true)
        let local = try ContentPipeline(storage: storage)
        #expect(try await local.store(BytesSource(content)) == stored)
        for object in stored.objects {
            #expect(memory.served(object.serverPath) == readFile("\(storage.path)/\(object.serverPath)"))
        }
    }
}

/// Keeps what is uploaded in memory.
private final class MemoryUploader: ObjectUploader {
    private let files = Mutex<[String: [UInt8]]>([:])
    /// Makes mistakes that the suite must find.
    private let isCareless: Bool

    init(isCareless: Bool = false) { self.isCareless = isCareless }

    func served(_ path: String) -> [UInt8]? { files.withLock { $0[path] } }

    private func path(_ object: ObjectID) -> String {
        isCareless ? ObjectID(object.hash).serverPath : object.serverPath
    }

    func contains(_ object: ObjectID) -> Bool { served(path(object)) != nil }
    func renew(_ object: ObjectID) -> Bool { contains(object) }

    func upload(_ stored: StoredBytes, as object: ObjectID) throws(PublishingError) {
        let bytes: [UInt8]
        switch stored {
        case .bytes(let content): bytes = content
        case .file(let file):
            guard let content = readFile(file) else { throw PublishingError(.storage, "\(file) cannot be read") }
            if !isCareless { unlink(file) }
            bytes = content
        }
        files.withLock { if isCareless || $0[path(object)] == nil { $0[path(object)] = bytes } }
    }

    func replace(_ name: String, with bytes: [UInt8]) throws(PublishingError) {
        try check(name)
        files.withLock { $0[name] = bytes }
    }

    func read(_ name: String, limit: Int) throws(PublishingError) -> [UInt8]? {
        try check(name)
        guard let bytes = served(name) else { return nil }
        guard isCareless || bytes.count <= limit else { throw PublishingError(.corrupt, "\(name) is too long") }
        return bytes
    }

    private func check(_ name: String) throws(PublishingError) {
        guard isCareless || FileName(name).isValid else {
            throw PublishingError(.invalidArgument, "\(name.debugDescription) is no name")
        }
    }

    func synchronize() {}
}

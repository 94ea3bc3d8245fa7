import CASCore
import CVMFS
import LocalServers
import Publishing
import RevisionTrees
import Signing
import SystemPackage
import Testing

/// A repository that was begun here, for one test, in a folder of its own.
final class TestRepository: Sendable {
    static let name = RevisionTree.repository

    let folder: TemporaryFolder

    var storage: FilePath { FilePath("\(folder.path)/\(Self.name)") }
    var keysPath: FilePath { FilePath("\(folder.path)/keys") }

    /// Makes it.
    init(
        hash: HashAlgorithm = .sha1, isGarbageCollectable: Bool = true, at time: UnixTime? = nil
    ) async throws {
        let folder = try TemporaryFolder("repository")
        var new = RepositoryInitialization(
            of: Self.name, storage: FilePath("\(folder.path)/\(Self.name)"), keys: FilePath("\(folder.path)/keys"))
        new.hash = hash
        new.isGarbageCollectable = isGarbageCollectable
        new.keyBits = 1024
        if let time {
            try await new.run { time }
        } else {
            try await new.run()
        }
        self.folder = folder
    }

    func keys() throws -> KeyFolder {
        try KeyFolder(at: keysPath, repository: Self.name, storage: storage)
    }

    func writer(_ clock: @escaping @Sendable () -> UnixTime = WallClock.now) throws -> RepositoryWriter {
        try RepositoryWriter.open(Self.name, storage: storage, keys: keys(), clock: clock)
    }

    /// Reads it as a client does, with a cache of its own each time.
    func open() async throws -> Repository {
        let cache = FilePath(folder.path).appending("cache-\(UInt64.random(in: 0 ... .max))")
        return try await Repository.open(
            Self.name, from: ["file://\(storage)"], trusting: .masterKeys(keys().masterKeys()),
            cache: DiskStore(at: cache, reserve: .zero))
    }

    /// Every catalog, entry and object of the newest revision and of all tags, as a client finds them.
    func check(_ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let scratch = FilePath(folder.path).appending("scratch-\(UInt64.random(in: 0 ... .max))")
        let report = try await open().verify(scratch: DiskStore(at: scratch, limit: .unlimited, reserve: .zero))
        #expect(report.defects == [], comment, sourceLocation: sourceLocation)
    }
}

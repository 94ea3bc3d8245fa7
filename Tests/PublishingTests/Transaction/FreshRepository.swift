import CVMFS
import LocalServers
import Signing
import SystemPackage

@testable import Publishing

/// A repository made by us, with its keys, and a clock that stands still.
struct FreshRepository: ~Copyable {
    let folder: TemporaryFolder
    let storage: FilePath
    let keys: FilePath
    static let name = "fresh.example.org"

    init(hash: HashAlgorithm = .sha1, deflater: DeflaterKind = .zlib) async throws {
        let folder = try TemporaryFolder("transaction")
        let paths = (FilePath("\(folder.path)/\(Self.name)"), FilePath("\(folder.path)/keys"))
        var new = RepositoryInitialization(of: Self.name, storage: paths.0, keys: paths.1)
        new.hash = hash
        new.deflater = deflater
        new.keyBits = 1024
        try await new.run(clock: { UnixTime(1_700_000_000) })
        self.folder = folder
        (storage, keys) = paths
    }

    func begin(_ change: (inout TransactionOptions) -> Void = { _ in }) async throws -> Transaction {
        var options = TransactionOptions()
        options.clock = { UnixTime(1_700_000_000) }
        change(&options)
        return try await Transaction.begin(Self.name, storage: storage, keys: keys, options: options)
    }

    func snapshot() async throws -> Snapshot { try await open().snapshot() }

    func open() async throws -> Repository {
        var options = RepositoryOptions()
        options.clock = { UnixTime(1_700_000_000) }
        return try await Repository.open(
            Self.name, from: ["file://\(storage)"], trusting: .masterKeys(in: keys),
            cache: MemoryStore(limit: .mebibytes(64)), options: options)
    }

    func defects() async throws -> [String] {
        try await open().verify(scratch: MemoryStore(limit: .mebibytes(64))).defects.map { "\($0)" }
    }
}

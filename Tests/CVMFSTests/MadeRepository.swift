import CVMFS
import LocalServers
import RepositoryMaker

/// A repository made for a test, in a folder of its own, with a cache beside it.
struct MadeRepository: ~Copyable {
    var maker: RepositoryMaker
    let path: String
    let cachePath: FilePath
    private let folder: TemporaryFolder

    static let name = "made.example.org"

    init(hash: HashAlgorithm = .sha1) throws {
        let folder = try TemporaryFolder("made")
        let path = "\(folder.path)/\(Self.name)"
        maker = try RepositoryMaker(name: Self.name, hash: hash, at: path)
        self.path = path
        cachePath = FilePath(folder.path).appending("cache")
        self.folder = folder
    }

    /// A tree with a bit of everything that tests look for.
    static func withTree(hash: HashAlgorithm = .sha1) throws -> MadeRepository {
        var made = try MadeRepository(hash: hash)
        try made.maker.file("/etc/motd", Array("hello\n".utf8))
        try made.maker.file("/usr/bin/tool", Array("#!/bin/sh\n".utf8), mode: 0o755)
        made.maker.symlink("/bin", to: "usr/bin")
        made.maker.symlink("/usr/bin/outside", to: "../../../../etc/motd")
        try made.maker.nested("/usr")
        try made.maker.file("/large", (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 7 >> 3) }, chunkSize: 65536)
        return made
    }

    var server: String { "file://" + path }

    func store() throws -> DiskStore { try DiskStore(at: cachePath) }

    func trust() throws -> RepositoryTrust { .masterKeys([try MasterKey(pem: try maker.masterKeyPEM)]) }

    func open(
        from servers: [String]? = nil, cache: (any ObjectStore)? = nil, options: RepositoryOptions = RepositoryOptions()
    ) async throws -> Repository {
        try await Repository.open(
            Self.name, from: servers ?? [server], trusting: trust(), cache: cache ?? store(), options: options)
    }
}

/// What went wrong, as code of the composition and of the module below.
func failure(_ body: () async throws -> Void) async -> (code: CVMFSError.Code?, cause: String?) {
    do {
        try await body()
        return (nil, nil)
    } catch let error as CVMFSError {
        switch error.cause {
        case let cause as SigningError: return (error.code, cause.code.rawValue)
        case let cause as CASError: return (error.code, cause.code.rawValue)
        case let cause as CatalogError: return (error.code, cause.code.rawValue)
        case let cause as TransportError: return (error.code, cause.code.rawValue)
        default: return (error.code, nil)
        }
    } catch {
        return (nil, "\(error)")
    }
}

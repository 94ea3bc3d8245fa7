import CVMFS
import LocalServers
import RepositoryMaker
import SystemPackage

/// A repository made for a test, with a cache beside it.
struct ProvisionedRepository: ~Copyable {
    static let name = "images.example.org"

    var maker: RepositoryMaker
    let folder: TemporaryFolder

    init() throws {
        let folder = try TemporaryFolder("images", isOpen: true)
        maker = try RepositoryMaker(name: Self.name, hash: .sha1, at: "\(folder.path)/\(Self.name)")
        self.folder = folder
    }

    mutating func publish() throws { _ = try maker.publish() }

    var server: String { "file://\(folder.path)/\(Self.name)" }

    var cachePath: FilePath { FilePath(folder.path).appending("cache") }

    func open(from servers: [String]? = nil, cache: (any ObjectStore)? = nil) async throws -> Repository {
        try await Repository.open(
            Self.name, from: servers ?? [server], trusting: .masterKeys([try MasterKey(pem: try maker.masterKeyPEM)]),
            cache: try cache ?? DiskStore(at: cachePath))
    }
}

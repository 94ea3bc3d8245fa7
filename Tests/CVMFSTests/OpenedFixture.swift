import COpenSSL
import CVMFS
import FixtureTrees
import Foundation
import LocalServers

/// How a fixture is reached in a test.
enum Reach: String, CaseIterable, Sendable {
    case file, http, memory
}

/// A fixture's repository, opened over a cache of its own that is empty at first.
struct OpenedFixture: ~Copyable {
    let repository: Repository
    let server: NginxServer?
    let cache: DiskStore
    private let folder: TemporaryFolder

    init(_ fixture: FixtureRepository, by reach: Reach = .file) async throws {
        // Everything that can fail comes before the first assignment, as a type that cannot be copied demands.
        let folder = try TemporaryFolder("cache")
        let cache = try DiskStore(at: FilePath(folder.path).appending("cache"))
        let trust = RepositoryTrust.masterKeys(in: FilePath(fixture.keyFile.path))
        let (repository, server) = try await Self.open(fixture, by: reach, trust, cache)
        self.folder = folder
        self.cache = cache
        self.repository = repository
        self.server = server
    }

    private static func open(
        _ fixture: FixtureRepository, by reach: Reach, _ trust: RepositoryTrust, _ cache: DiskStore
    ) async throws -> (Repository, NginxServer?) {
        switch reach {
        case .file:
            let url = "file://" + fixture.folder.path
            return (try await Repository.open(fixture.name, from: [url], trusting: trust, cache: cache), nil)
        case .http:
            let server = try NginxServer(serving: ["/cvmfs/\(fixture.name)": fixture.folder.path])
            let url = server.url + "/cvmfs/@fqrn@"
            return (try await Repository.open(fixture.name, from: [url], trusting: trust, cache: cache), server)
        case .memory:
            var resources: [String: [UInt8]] = [:]
            for path in try fixture.objectPaths() + [".cvmfspublished", ".cvmfswhitelist"] {
                resources[path] = try fixture.bytes(path)
            }
            let transport = MemoryTransport(resources)
            return (
                try await Repository.open(fixture.name, through: transport, trusting: trust, cache: cache), nil
            )
        }
    }
}

/// SHA-256 in lower-case hexadecimal, as the listings have it.
func sha256(_ bytes: [UInt8]) -> String {
    var digest = [UInt8](repeating: 0, count: 32)
    EVP_Digest(bytes, bytes.count, &digest, nil, EVP_sha256(), nil)
    return digest.map { byte in
        let digits = String(byte, radix: 16)
        return digits.count == 1 ? "0" + digits : digits
    }.joined()
}

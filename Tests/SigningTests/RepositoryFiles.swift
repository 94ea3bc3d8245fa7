import CASCore
import FixtureTrees
import Foundation
import Signing
import Testing

/// What a server sends of a repository for its trust to be decided, and what the reader has himself.
struct RepositoryFiles: Sendable, CustomStringConvertible {
    var name: String
    var manifest: [UInt8]
    var whitelist: [UInt8]?
    var certificate: [UInt8]
    var chain: TrustChain
    var now: UnixTime
    var lastSeen: Breadcrumb?
    var certificateHash: ContentHash?

    var description: String { name }

    func verify() throws(SigningError) -> TrustedManifest {
        try chain.verify(
            manifest: manifest, whitelist: whitelist, certificate: certificate, name: name, at: now,
            lastSeen: lastSeen, certificateHash: certificateHash)
    }

    /// The same after some change.
    func with(_ change: (inout RepositoryFiles) throws -> Void) rethrows -> RepositoryFiles {
        var copy = self
        try change(&copy)
        return copy
    }
}

extension RepositoryFiles {
    /// A repository of the reference's programs, an hour after it was signed.
    init(_ fixture: FixtureRepository) throws {
        name = fixture.name
        manifest = try fixture.bytes(".cvmfspublished")
        whitelist = try fixture.bytes(".cvmfswhitelist")
        let named = try Manifest(unverified: manifest)
        let object = try #require(named.certificateObject)
        certificateHash = object.hash
        certificate = try inflated(fixture.bytes(named.serverPath(of: object)))
        chain = TrustChain(masterKeys: try MasterKey.all(inPEM: fixture.key()))
        now = UnixTime(try #require(named.published).seconds + 3600)
    }

    /// Those that every clone has.
    static let small: [RepositoryFiles] = repositories(Fixtures.small)
    /// Those that this machine has, of today.
    static let all: [RepositoryFiles] = repositories(Fixtures.all)

    private static func repositories(_ fixtures: [FixtureRepository]) -> [RepositoryFiles] {
        do {
            return try fixtures.map { try RepositoryFiles($0) }
        } catch {
            preconditionFailure("the fixtures cannot be read: \(error)")
        }
    }
}

extension FixtureRepository {
    /// The file of the master key.
    func key() throws -> [UInt8] { try Array(Data(contentsOf: keyFile)) }
}

/// A zlib stream's content.
func inflated(_ stored: [UInt8]) throws -> [UInt8] {
    var inflater = try Inflater()
    var plain: [UInt8] = []
    try inflater.update(stored.span.bytes, limit: 1 << 20) { piece in
        piece.withUnsafeBytes { plain.append(contentsOf: $0) }
    }
    try inflater.finish()
    return plain
}

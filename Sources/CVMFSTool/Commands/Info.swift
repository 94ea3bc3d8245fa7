import ArgumentParser
import CVMFS
import FoundationEssentials
import Signing

struct Info: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows the manifest and the chain of trust.",
        discussion: "All of it has been verified: otherwise there is an error instead.")

    @OptionGroup var repository: RepositoryOptionGroup

    func validate() throws {
        guard repository.rootHash == nil else {
            throw ValidationError("A root hash leads to no manifest: leave --root-hash out.")
        }
    }

    func run() async throws {
        try await repository.withSnapshot { session in
            guard let trusted = session.repository.trusted else { return }
            let metainfo = try await session.repository.metainfo()
            var output = StandardOutput()
            if repository.json {
                try output.line(Self.json(session, trusted, metainfo))
            } else {
                try output.line(Self.text(session, trusted, metainfo))
            }
            try output.flush()
        }
    }

    private static func json(_ session: Session, _ trusted: TrustedManifest, _ metainfo: [UInt8]?) -> JSONValue {
        let manifest = trusted.manifest
        let snapshot = session.snapshot
        return .object([
            ("name", .string(trusted.name)),
            ("revision", .unsigned(snapshot.revision)),
            ("rootHash", .string(snapshot.rootHash.description)),
            ("rootCatalogSize", .integer(snapshot.rootCatalogSize)),
            ("published", published(snapshot, manifest).map { .string($0.description) } ?? .null),
            ("ttl", .integer(snapshot.timeToLive)),
            ("hashAlgorithm", .string(snapshot.rootHash.algorithm.name)),
            (
                "certificate",
                .object([
                    ("subject", .string(trusted.certificate.subject)),
                    ("fingerprint", .string(trusted.approval.fingerprint.description)),
                    ("notAfter", .string(trusted.certificate.notAfter.description)),
                ])
            ),
            ("whitelist", trusted.whitelist.map(json) ?? .null),
            ("history", manifest.history.map { .string($0.description) } ?? .null),
            ("metainfo", metainfo.map(json) ?? .null),
            ("garbageCollectable", .bool(manifest.isGarbageCollectable)),
            ("servers", .array((session.repository.answeringServer.map { [.string($0)] }) ?? [])),
        ])
    }

    /// When the state that is shown was published: a tagged one by its catalog, the newest by its manifest.
    private static func published(_ snapshot: Snapshot, _ manifest: Manifest) -> UnixTime? {
        snapshot.tag == nil ? manifest.published : snapshot.lastModified.map { UnixTime($0) }
    }

    private static func json(_ whitelist: Whitelist) -> JSONValue {
        .object([
            ("expires", .string(whitelist.expires.description)),
            ("fingerprints", .array(whitelist.fingerprints.map { .string($0.description) })),
        ])
    }

    /// What the repository says of itself, as it is when it is JSON, and as text otherwise.
    private static func json(_ metainfo: [UInt8]) -> JSONValue {
        (try? JSONDecoder().decode(JSONValue.self, from: Data(metainfo)))
            ?? .string(String(decoding: metainfo, as: UTF8.self))
    }

    private static func text(_ session: Session, _ trusted: TrustedManifest, _ metainfo: [UInt8]?) -> String {
        let manifest = trusted.manifest
        let snapshot = session.snapshot
        var lines = [
            "Repository:   \(trusted.name)",
            "Revision:     \(snapshot.revision)\(snapshot.tag.map { " (tag \($0))" } ?? "")",
            "Root catalog: \(snapshot.rootHash) (\(ByteText.of(snapshot.rootCatalogSize)))",
            "Published:    \(published(snapshot, manifest)?.description ?? "unknown")",
            "Time to live: \(snapshot.timeToLive) s",
            "Certificate:  \(trusted.certificate.subject), \(trusted.approval.fingerprint)",
        ]
        if let whitelist = trusted.whitelist {
            lines.append(
                "Whitelist:    expires \(whitelist.expires), \(counted(whitelist.fingerprints.count, "certificate"))")
        }
        lines.append("History:      \(manifest.history?.description ?? "none")")
        lines.append("Collected:    \(manifest.isGarbageCollectable ? "yes, old revisions may go" : "no")")
        if let metainfo {
            let text = String(decoding: metainfo, as: UTF8.self).split(whereSeparator: \.isNewline).joined(
                separator: " ")
            lines.append("About:        \(TerminalText.escaped(text))")
        }
        lines.append("Server:       \(session.repository.answeringServer ?? "none answered; from the cache")")
        return lines.joined(separator: "\n")
    }
}

import ArgumentParser
import CVMFS
import Publishing
import Signing
import SystemPackage
import Transport

struct Pull: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Copies a repository: makes a replica, or brings it up to date.",
        discussion: """
            The newest revision and all tags are copied; what is there already is not fetched again. The replica \
            serves its old revision until everything is there. An interrupted copy goes on where it was.
            """)

    @Argument(help: "The repository's name (fqrn), or its URL.")
    var name: String

    @Option(help: "A server (http, https, file), repeatable, tried in order. May hold @fqrn@ and @org@.")
    var server: [String] = []

    @Option(help: "One HTTP proxy, or DIRECT.")
    var proxy: String = "DIRECT"

    @Option(
        help: """
            A master public key (PEM), or a folder of them (*.pub), repeatable. Default: what /etc/cvmfs/keys has for \
            the repository or its domain.
            """)
    var key: [String] = []

    @Option(
        help: ArgumentHelp("The replica's own folder, which gets .cvmfspublished and data.", valueName: "DIR"))
    var storage: String

    @Flag(help: "Print JSON on standard output.")
    var json = false

    func validate() throws {
        do {
            _ = try Proxy(proxy)
            let address = try RepositoryAddress(name, servers: server)
            for url in address.servers { _ = try ServerURL(url, repository: address.fqrn) }
        } catch let error as TransportError { throw ValidationError(error.message) }
    }

    func run() async throws {
        let address = try RepositoryAddress(name, servers: server)
        let paths = key.isEmpty ? MasterKeyFiles.standardPaths(for: address.fqrn) : key.map(RawArgument.filePath)
        guard !paths.isEmpty else {
            throw CVMFSError(
                .noKeys,
                "no master key for \(address.fqrn): give --key FILE, or put it at /etc/cvmfs/keys/\(address.fqrn).pub")
        }
        let blacklist = try BlacklistFile.read("/etc/cvmfs/blacklist") ?? .empty
        let replica = Replica(
            of: address.fqrn, at: RawArgument.filePath(storage).string,
            from: try FailoverTransport(
                servers: address.servers, repository: address.fqrn, options: HTTPOptions(proxy: try Proxy(proxy))),
            trusting: TrustChain(masterKeys: try MasterKeyFiles.keys(in: paths), blacklist: blacklist))
        let report = try await replica.pull { report in
            Progress.show("\(report.catalogs) catalogs, \(report.objects) objects, \(ByteText.of(report.bytes))")
        }
        Progress.clear()
        var output = StandardOutput()
        if json {
            try output.line(
                .object([
                    ("name", .string(address.fqrn)), ("revision", .integer(Int64(clamping: report.revision))),
                    ("rootHash", report.rootHash.map { .string($0.description) } ?? .null),
                    ("unchanged", .bool(report.isUnchanged)), ("catalogs", .integer(Int64(report.catalogs))),
                    ("objects", .integer(Int64(report.objects))), ("bytes", .integer(report.bytes)),
                ]))
        } else if report.isUnchanged {
            try output.line("revision \(report.revision) is here already")
        } else {
            try output.line(
                "revision \(report.revision): copied \(report.objects) objects (\(report.catalogs) catalogs), \(ByteText.of(report.bytes))"
            )
        }
        try output.flush()
    }
}

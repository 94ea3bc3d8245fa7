import ArgumentParser
import CASCore
import CVMFS
import Signing
import SystemPackage
import Transport

/// The options that all reading commands share.
struct RepositoryOptionGroup: ParsableArguments {
    @Argument(help: "The repository's name (fqrn), or its URL.")
    var name: String

    @Option(
        help: """
            A server (http, https, file), repeatable, tried in order. May hold @fqrn@ and @org@; the URL of the \
            repository itself, as in http://host/cvmfs/@fqrn@.
            """)
    var server: [String] = []

    @Option(help: "One HTTP proxy, or DIRECT.")
    var proxy: String = "DIRECT"

    @Option(
        help: """
            A master public key (PEM), or a folder of them (*.pub), repeatable. Default: what /etc/cvmfs/keys has for \
            the repository or its domain.
            """)
    var key: [String] = []

    @Option(help: "The folder of the cache. Default: $XDG_CACHE_HOME/cvmfs, else ~/.cache/cvmfs.")
    var cache: String?

    @Option(help: "Bytes that the cache may hold, as in 4GiB.", transform: Self.byteCount)
    var cacheLimit: ByteCount = .gibibytes(4)

    @Option(help: "Show this root catalog, trusted by its hash alone.")
    var rootHash: String?

    @Option(help: "Show the revision that this tag names.")
    var tag: String?

    @Option(help: "Show the newest tagged revision of this time or before (2026-11-24T10:00:00Z).")
    var date: String?

    @Option(help: "A server that has the content of external files, repeatable.")
    var externalServer: [String] = []

    @Flag(help: "Print JSON on standard output.")
    var json = false

    @Flag(help: "Print at the end, on standard error, what was fetched.")
    var summary = false

    private static func byteCount(_ text: String) throws -> ByteCount {
        guard let count = ByteCount(text) else {
            throw ValidationError("\"\(text)\" is no amount of bytes: write it as 4GiB, 500MiB or 1000000.")
        }
        return count
    }

    func validate() throws {
        guard [rootHash, tag, date].count(where: { $0 != nil }) <= 1 else {
            throw ValidationError("--root-hash, --tag and --date exclude each other.")
        }
        if let rootHash, ContentHash(rootHash) == nil {
            throw ValidationError(
                "\"\(rootHash)\" is no hash: 40 hexadecimal digits, and -rmd160 or -shake128 where it is not SHA-1.")
        }
        // What makes no sense is wrong usage, whatever a server would say.
        do {
            _ = try Proxy(proxy)
            // The check of the cache needs no server, so that there is none is told by whoever does.
            if name.contains("://") || !server.isEmpty {
                let (fqrn, servers) = try address()
                for url in servers + externalServer { _ = try ServerURL(url, repository: fqrn) }
            }
        } catch let error as TransportError { throw ValidationError(error.message) }
        if let date, UnixTime(date) == nil {
            throw ValidationError("\"\(date)\" is no time: write it as 2026-11-24T10:00:00Z, or 2026-11-24.")
        }
    }
}

import ArgumentParser
import CVMFS
import RepositoryServer
import Signing
import SystemPackage

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serves repositories over HTTP, for development.",
        discussion: """
            Each appears at /cvmfs/NAME. It runs until it is stopped. For the public use nginx or any other web server: \
            a repository is a folder of files.
            """)

    @Option(
        help: ArgumentHelp("A repository's own folder, which holds .cvmfspublished; repeatable.", valueName: "DIR"))
    var storage: [String] = []

    @Option(
        help: ArgumentHelp(
            "The address and port to listen at; port 0 takes any that is free.", valueName: "ADDRESS:PORT"))
    var listen = "127.0.0.1:8000"

    func validate() throws {
        guard !storage.isEmpty else { throw ValidationError("Which repository? Give --storage DIR.") }
        _ = try address
    }

    func run() async throws {
        var folders: [String: String] = [:]
        for folder in storage {
            let path = RawArgument.filePath(folder)
            let name = try Self.name(of: path)
            guard folders.updateValue(path.string, forKey: name) == nil else {
                throw CVMFSError(.invalidArgument, "two of the folders hold \(name)")
            }
        }
        let names = folders.keys.sorted()
        let (host, port) = try address
        try await RepositoryServer(serving: folders).run(host: host, port: port) { port in
            for name in names {
                var output = StandardOutput()
                try? output.line("http://\(host.contains(":") ? "[\(host)]" : host):\(port)/cvmfs/\(name)")
                try? output.flush()
            }
        }
    }

    /// The name that the folder's manifest bears.
    private static func name(of folder: FilePath) throws -> String {
        let path = folder.appending(".cvmfspublished")
        guard let bytes = try LocalFile.read(path, limit: TrustLimits.manifestBytes),
            let name = try Manifest(unverified: bytes).name
        else { throw CVMFSError(.invalidArgument, "\(folder) holds no repository: there is no \(path)") }
        return name
    }

    private var address: (host: String, port: Int) {
        get throws {
            guard let colon = listen.lastIndex(of: ":"), let port = Int(listen[listen.index(after: colon)...]),
                (0...65535).contains(port), colon > listen.startIndex
            else { throw ValidationError("\"\(listen)\" is no address: write it as 127.0.0.1:8000 or [::1]:8000.") }
            return (listen[..<colon].filter { $0 != "[" && $0 != "]" }, port)
        }
    }
}

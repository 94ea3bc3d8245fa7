import COpenSSL
import CVMFS
import LocalServers
import RepositoryMaker

/// A repository made for a test, with servers that can be stopped, and what its files must hold.
struct MountedTree: ~Copyable {
    static let name = "made.example.org"

    var maker: RepositoryMaker
    let folder: TemporaryFolder
    let servers: [NginxServer]
    /// By path.
    private(set) var contents: [String: [UInt8]] = [:]

    /// - Parameter servers: nginx, so many; without any it is read from the disk.
    init(servers count: Int = 0) throws {
        let folder = try TemporaryFolder("tree", isOpen: true)
        let path = "\(folder.path)/\(Self.name)"
        let maker = try RepositoryMaker(name: Self.name, at: path)
        try folder.write(maker.masterKeyPEM, to: "key.pub")
        let servers = try (0..<count).map { _ in try NginxServer(serving: ["/cvmfs/\(Self.name)": path]) }
        self.maker = maker
        self.folder = folder
        self.servers = servers
    }

    var key: String { folder.path + "/key.pub" }
    var cache: String { folder.path + "/cache" }

    var urls: [String] {
        servers.isEmpty ? ["file://\(folder.path)/\(Self.name)"] : servers.map { $0.url(of: Self.name) }
    }

    /// Options of `cvmfs mount`, with its cache.
    func options(_ others: String...) -> [String] {
        ["--key", key, "--cache", cache] + urls.dropFirst().flatMap { ["--server", $0] } + others
    }

    func mount(_ options: String..., as user: [String] = []) throws -> ServedMount {
        try ServedMount(
            urls[0], ["--key", key, "--cache", cache] + urls.dropFirst().flatMap { ["--server", $0] } + options,
            as: user)
    }

    mutating func file(_ path: String, _ content: [UInt8], chunkSize: Int? = nil, mode: UInt32 = 0o644) throws {
        try maker.file(RepositoryPath(path), content, mode: mode, chunkSize: chunkSize)
        contents[path] = content
    }

    mutating func remove(_ path: String) {
        maker.remove(RepositoryPath(path))
        contents[path] = nil
    }

    /// Files of many sizes in several folders and catalogs, which no later revision changes.
    mutating func addSteadyFiles(_ count: Int = 70) throws {
        for index in 0..<count {
            let size = [0, 1, 100, 4096, 5000, 20_000, 90_000][index % 7]
            let content = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* (index + 3) >> 2 &+ index) }
            let folder = "/steady\(index % 3)/d\(index % 5)"
            try file("\(folder)/f\(index)", content, chunkSize: index % 7 == 6 ? 32_768 : nil)
        }
        try maker.nested("/steady1")
        try maker.nested("/steady2/d3")
    }

    /// What `MountProbe stress` reads: digests and paths of the steady files.
    var steadyLines: [UInt8] {
        var lines = ""
        for (path, content) in contents.sorted(by: { $0.key < $1.key }) where path.hasPrefix("/steady") {
            lines += "\(Self.sha256(content)) \(ProbedEntry.hex(Array(path.utf8)))\n"
        }
        return Array(lines.utf8)
    }

    static func sha256(_ bytes: [UInt8]) -> String {
        var digest = [UInt8](repeating: 0, count: 32)
        EVP_Digest(bytes, bytes.count, &digest, nil, EVP_sha256(), nil)
        return ProbedEntry.hex(digest)
    }
}

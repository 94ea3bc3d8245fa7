import CASCore
@preconcurrency import Glibc
import LocalServers
import RepositoryMaker
import Signing

/// Makes the repositories that the benchmarks read, and serves them over HTTP while a command runs.
///
///     benchmark-repositories FOLDER COMMAND [ARGUMENT...]
///
/// FOLDER keeps them for the next time. COMMAND finds in its environment `BENCHMARK_URL` (of the folder that holds the
/// repositories), `BENCHMARK_FOLDER` and `BENCHMARK_KEY` (the master public key's file).
@main
struct BenchmarkRepositories {
    /// Changes whenever the repositories do.
    private static let version = "3"
    /// A whitelist is good for 30 days.
    private static let secondsOfUse: Int64 = 20 * 86400

    static func main() throws {
        setvbuf(stdout, nil, _IOLBF, 0)
        let arguments = Array(CommandLine.arguments.dropFirst())
        guard arguments.count >= 2, arguments[0].hasPrefix("/") else {
            fputs("usage: benchmark-repositories FOLDER COMMAND [ARGUMENT...] (FOLDER is an absolute path)\n", stderr)
            exit(64)
        }
        let folder = arguments[0]
        try makeIfNeeded(in: folder)
        let server = try NginxServer(serving: ["": folder], directives: "access_log off;")
        setenv("BENCHMARK_URL", server.url, 1)
        setenv("BENCHMARK_FOLDER", folder, 1)
        setenv("BENCHMARK_KEY", "\(folder)/master.pub", 1)
        exit(run(Array(arguments.dropFirst())))
    }

    private static func makeIfNeeded(in folder: String) throws {
        let stamp = "\(folder)/complete"
        if let text = readFile(stamp) {
            let fields = String(decoding: text, as: UTF8.self).split(separator: " ")
            if fields.count == 2, fields[0] == version, let made = Int64(fields[1]),
                (0..<secondsOfUse).contains(Int64(time(nil)) - made)
            {
                return
            }
        }
        print("Making the repositories to read in \(folder)")
        try runToEnd("/bin/rm", ["-rf", folder], log: "/dev/null")
        let keys = try RepositoryKeys(bits: 2048)
        try writeFile(keys.masterKeyPEM, to: "\(folder)/master.pub")
        let maker = { (name: String) in
            try RepositoryMaker(
                name: "\(name).bench.example.org", at: "\(folder)/\(name).bench.example.org", keys: keys)
        }
        var files = try maker("files")
        try HostFiles.add(to: &files)
        _ = try files.publish(ttl: 3600)
        var chunked = try maker("chunked")
        try LargeTrees.addChunkedFile(to: &chunked)
        _ = try chunked.publish(ttl: 3600)
        var small = try maker("small")
        try LargeTrees.publish(&small, catalogs: 1, entriesInEach: 1000)
        var million = try maker("million")
        try LargeTrees.publish(&million, catalogs: 200, entriesInEach: 5000)
        var wide = try maker("wide")
        try LargeTrees.publishWide(&wide, files: 1_000_000)
        try writeFile("\(version) \(time(nil))".utf8, to: stamp)
    }

    /// Runs a command with this process's input and output.
    private static func run(_ words: [String]) -> Int32 {
        var pointers = words.map { strdup($0) }
        pointers.append(nil)
        defer { for pointer in pointers { free(pointer) } }
        var child: pid_t = 0
        guard posix_spawnp(&child, words[0], nil, nil, pointers, environ) == 0 else {
            fputs("cannot start \(words[0])\n", stderr)
            return 1
        }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        return status & 0x7F == 0 ? status >> 8 & 0xFF : 1
    }
}

import Foundation
import Glibc

/// A repository that the program has mounted, unmounted with its owner.
struct BenchmarkMount: ~Copyable {
    /// What `cvmfs status --json` says, of which the figures need this.
    struct Status: Decodable {
        struct Kernel: Decodable {
            let requestsByKind: [String: Int]

            /// What tools ask of the file system as a whole (`find`, once) is not to be had without asking.
            var requests: Int { requestsByKind.reduce(0) { $1.key == "STATFS" ? $0 : $0 + $1.value } }
        }
        struct Memory: Decodable { let resident: Int64 }

        let kernel: Kernel
        let memory: Memory
        let process: Int32
    }

    let path: String
    private let tool: String

    init(of url: String, key: String, cache: String, at path: String, tool: String) throws {
        self.path = path
        self.tool = tool
        mkdir(path, 0o755)
        _ = try Child.run(
            tool, ["mount", url, path, "--key", key, "--cache", cache, "--daemon"], discardsOutput: true)
    }

    func status() throws -> Status {
        let output = try Child.run(tool, ["status", path, "--json"]).output
        return try JSONDecoder().decode(Status.self, from: Data(output.utf8))
    }

    deinit { _ = try? Child.run(tool, ["umount", path], discardsOutput: true) }
}

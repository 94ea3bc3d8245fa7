import CASCore
import CVMFS
import Glibc
import SystemPackage

/// Where the repositories are, which `BenchmarkRepositories` has made and serves.
struct BenchmarkSetting {
    let url: String
    /// The folder that is served there.
    let folder: String
    let key: String
    /// The program `cvmfs`.
    let tool: String

    init() throws {
        url = try Self.variable("BENCHMARK_URL")
        folder = try Self.variable("BENCHMARK_FOLDER")
        key = try Self.variable("BENCHMARK_KEY")
        tool = try Self.variable("BENCHMARK_TOOL")
    }

    func url(of repository: String) -> String { "\(url)/\(repository).bench.example.org" }

    /// The root file system that containers are started from.
    func root() throws -> String { try Self.variable("BENCHMARK_ROOT") }

    func open(
        _ repository: String, cache: any ObjectStore, options: RepositoryOptions = RepositoryOptions()
    ) async throws -> Repository {
        try await Repository.open(
            "\(repository).bench.example.org", from: [url(of: repository)], trusting: .masterKeys(in: FilePath(key)),
            cache: cache, options: options)
    }

    private static func variable(_ name: String) throws -> String {
        guard let value = getenv(name) else {
            throw BenchmarkError("\(name) is not set: this program is started by Scripts/bench")
        }
        return String(cString: value)
    }
}

struct BenchmarkError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// A new folder, gone with its owner: in memory, since what a disk's file system takes for a new file differs a
/// hundredfold between one day and the next. `BENCHMARK_SCRATCH` names another place.
struct ScratchFolder: ~Copyable {
    let path: String

    init() throws {
        let parent = getenv("BENCHMARK_SCRATCH").map { String(cString: $0) } ?? "/dev/shm"
        var template = Array("\(parent)/swift-cvmfs-bench-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw BenchmarkError("no folder can be made in \(parent)") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { _ = try? Child.run("/bin/rm", ["-rf", path]) }
}

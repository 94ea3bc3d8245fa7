import Glibc

/// A root file system, published for the benchmarks of containers below the folder that is served, and gone with its
/// owner.
struct PublishedImage: ~Copyable {
    private let folder: String
    let url: String
    /// What `cvmfs` needs to read it.
    let options: [String]

    /// - Parameter root: the folder that is published, at `/image`.
    init(_ root: String, deflater: String, _ setting: BenchmarkSetting) throws {
        let name = "\(deflater).bench.example.org"
        folder = "\(setting.folder)/image-\(getpid())-\(deflater)"
        url = "\(setting.url)/image-\(getpid())-\(deflater)/\(name)"
        options = ["--key", "\(folder)/keys/\(name).pub"]
        mkdir(folder, 0o755)
        let places = ["--storage", "\(folder)/\(name)", "--keys", "\(folder)/keys"]
        _ = try Child.run(
            setting.tool, ["init", name] + places + ["--deflate", deflater], discardsOutput: true)
        _ = try Child.run(
            setting.tool, ["publish", name] + places + ["--from", root, "--at", "/image"], discardsOutput: true)
    }

    deinit { _ = try? Child.run("/bin/rm", ["-rf", folder]) }
}

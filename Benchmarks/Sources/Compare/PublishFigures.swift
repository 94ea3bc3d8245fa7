import CPeer
import Glibc

/// The program's publishing beside zlib alone: packing the same bytes on all cores, with no other work at all.
struct PublishFigures {
    private static let name = "publish.bench.example.org"
    private static let rounds = 3

    let setting: BenchmarkSetting
    private let tree = getenv("BENCHMARK_TREE").map { String(cString: $0) } ?? "/usr/bin"

    func measured() throws -> [Figure] {
        let paths = try Self.files(below: tree)
        let cores = Int32(sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        // Read once, so that all find it in memory.
        _ = try bare(paths, cores)
        let zlib = try compared(rounds: Self.rounds) {
            try fresh("zlib")
        } _: {
            try bare(paths, cores)
        }
        let libdeflate = try compared(rounds: Self.rounds) {
            try fresh("libdeflate")
        } _: {
            try bare(paths, cores)
        }
        let again = try againFigures()
        return [
            Figure(
                name: "Publish \(tree), \(paths.count) files, beside bare zlib", ours: time(zlib.ours),
                peer: time(zlib.peer), ratio: zlib.ratio, target: .atMost(1.3)),
            Figure(
                name: "  the same with libdeflate", ours: time(libdeflate.ours), peer: time(libdeflate.peer),
                ratio: libdeflate.ratio, target: .atMost(1 / 1.6)),
        ] + again
    }

    /// What is there already: unchanged, and under another path.
    private func againFigures() throws -> [Figure] {
        let folder = try ScratchFolder()
        try initialize(folder.path, "zlib")
        let fresh = try publish(folder.path)
        // A file must have been left alone for two seconds before it was read to be recognised later; those of a system
        // have.
        let unchanged = try compared(rounds: Self.rounds) {
            try publish(folder.path)
        } _: {
            try find()
        }
        let copied = try publish(folder.path, ["--at", "/copy"])
        return [
            Figure(
                name: "  unchanged, beside find -printf", ours: time(unchanged.ours), peer: time(unchanged.peer),
                ratio: unchanged.ratio, target: .atMost(4)),
            Figure(
                name: "  the same content at another path, beside fresh", ours: time(copied), peer: time(fresh),
                ratio: copied / fresh, target: .atMost(0.1)),
        ]
    }

    private func fresh(_ deflater: String) throws -> Double {
        let folder = try ScratchFolder()
        try initialize(folder.path, deflater)
        return try publish(folder.path)
    }

    private func initialize(_ folder: String, _ deflater: String) throws {
        _ = try Child.run(
            setting.tool,
            ["init", Self.name, "--storage", "\(folder)/storage", "--keys", "\(folder)/keys", "--deflate", deflater],
            discardsOutput: true)
    }

    private func publish(_ folder: String, _ more: [String] = []) throws -> Double {
        try Child.run(
            setting.tool,
            [
                "publish", Self.name, "--storage", "\(folder)/storage", "--keys", "\(folder)/keys", "--from", tree,
                "--yes",
            ]
                + more, discardsOutput: true
        ).seconds
    }

    private func find() throws -> Double {
        try Child.run("/usr/bin/find", [tree, "-printf", "%p %i %s %T@ %C@ %m %U %G\\n"], discardsOutput: true).seconds
    }

    private func bare(_ paths: [String], _ threads: Int32) throws -> Double {
        let texts = paths.map { strdup($0) }
        defer { for text in texts { free(text) } }
        let pointers = texts.map { UnsafePointer<CChar>($0) }
        let seconds = peer_deflate_all(pointers, pointers.count, threads)
        guard seconds >= 0 else { throw BenchmarkError("zlib cannot read or pack all of \(paths.count) files") }
        return seconds
    }

    private static func files(below tree: String) throws -> [String] {
        let output = try Child.run("/usr/bin/find", [tree, "-type", "f", "-print0"]).output
        return output.split(separator: "\0").map(String.init)
    }
}

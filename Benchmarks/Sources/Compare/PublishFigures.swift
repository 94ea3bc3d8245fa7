import CPeer
import Glibc

/// The program's publishing beside its limits: zlib alone, packing the same bytes on all cores with no other work at
/// all; find, which looks at every entry; openssl, which hashes every object.
struct PublishFigures {
    private static let name = "publish.bench.example.org"
    private static let rounds = 5
    private static let quickRounds = 9
    private static let memory: Int64 = 256 << 20

    let setting: BenchmarkSetting
    private let tree = getenv("BENCHMARK_TREE").map { String(cString: $0) } ?? "/usr/bin"
    private let cores = Int32(sysconf(Int32(_SC_NPROCESSORS_ONLN)))

    func measured() throws -> [Figure] {
        let paths = try Self.files(below: tree)
        // Read once, so that all find it in memory.
        _ = try bare(paths)
        return try ["zlib", "libdeflate"].flatMap { try freshFigures($0, paths) } + againFigures()
    }

    private func freshFigures(_ deflater: String, _ paths: [String]) throws -> [Figure] {
        var memory: Int64 = 0
        let measured = try compared(rounds: Self.rounds) {
            let child = try fresh(deflater)
            memory = max(memory, child.peakMemory)
            return child.seconds
        } _: {
            try bare(paths)
        }
        let isZlib = deflater == "zlib"
        return [
            Figure(
                name: isZlib
                    ? "Publish \(tree), \(paths.count) files, beside bare zlib" : "  the same with libdeflate",
                ours: time(measured.ours), peer: time(measured.peer), ratio: measured.ratio,
                target: .atMost(isZlib ? 1.3 : 1 / 1.6)),
            Figure(
                name: "  its memory", ours: mebibytes(memory), peer: mebibytes(Self.memory),
                ratio: Double(memory) / Double(Self.memory), target: .atMost(1)),
        ]
    }

    /// What is there already: unchanged, under another path, and checked.
    private func againFigures() throws -> [Figure] {
        let folder = try ScratchFolder()
        try initialize(folder.path, "zlib")
        let fresh = try publish(folder.path).seconds
        // A file must have been left alone for two seconds before it was read to be recognised later; those of a system
        // have.
        let unchanged = try compared(rounds: Self.quickRounds) {
            try publish(folder.path).seconds
        } _: {
            try find()
        }
        let checked = try compared(rounds: Self.quickRounds) {
            try check(folder.path)
        } _: {
            try hash(folder.path)
        }
        var copied: [Double] = []
        for round in 0..<Self.rounds { copied.append(try publish(folder.path, ["--at", "/copy\(round)"]).seconds) }
        return [
            Figure(
                name: "  unchanged, beside find -printf", ours: time(unchanged.ours), peer: time(unchanged.peer),
                ratio: unchanged.ratio, target: .atMost(4)),
            Figure(
                name: "  the same content at another path, beside fresh", ours: time(median(copied)),
                peer: time(fresh), ratio: median(copied) / fresh, target: .atMost(0.1)),
            Figure(
                name: "  check, beside openssl sha1 of its objects", ours: time(checked.ours), peer: time(checked.peer),
                ratio: checked.ratio, target: .atMost(1 / 0.8)),
        ]
    }

    private func fresh(_ deflater: String) throws -> Child {
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

    private func publish(_ folder: String, _ more: [String] = []) throws -> Child {
        try Child.run(
            setting.tool,
            [
                "publish", Self.name, "--storage", "\(folder)/storage", "--keys", "\(folder)/keys", "--from", tree,
                "--yes",
            ] + more, discardsOutput: true)
    }

    private func check(_ folder: String) throws -> Double {
        try Child.run(setting.tool, ["check", Self.name, "--storage", "\(folder)/storage"], discardsOutput: true)
            .seconds
    }

    /// One process a core.
    private func hash(_ folder: String) throws -> Double {
        let list = "\(folder)/objects"
        let count =
            try Child.run(
                "/bin/sh",
                [
                    "-c", "find \"$1/storage/data\" -type f -print0 >\"$2\"; tr -cd '\\0' <\"$2\" | wc -c", "sh",
                    folder, list,
                ]
            ).output.split(separator: "\n").first.flatMap { Int($0) } ?? 0
        let share = (count + Int(cores) - 1) / Int(cores)
        return try Child.run(
            "/usr/bin/xargs",
            ["-0", "-s", "2000000", "-P", "\(cores)", "-n", "\(share)", "-a", list, "openssl", "sha1"],
            discardsOutput: true
        ).seconds
    }

    private func find() throws -> Double {
        try Child.run("/usr/bin/find", [tree, "-printf", "%p %i %s %T@ %C@ %m %U %G\\n"], discardsOutput: true).seconds
    }

    private func bare(_ paths: [String]) throws -> Double {
        let texts = paths.map { strdup($0) }
        defer { for text in texts { free(text) } }
        let pointers = texts.map { UnsafePointer<CChar>($0) }
        let seconds = peer_deflate_all(pointers, pointers.count, cores)
        guard seconds >= 0 else { throw BenchmarkError("zlib cannot read or pack all of \(paths.count) files") }
        return seconds
    }

    /// The largest first, so that all cores come to their end together: the limit at its best.
    private static func files(below tree: String) throws -> [String] {
        let output = try Child.run("/usr/bin/find", [tree, "-type", "f", "-printf", "%s %p\\0"]).output
        let files = output.split(separator: "\0").compactMap { line -> (size: Int, path: String)? in
            let words = line.split(separator: " ", maxSplits: 1)
            return words.count == 2 ? Int(words[0]).map { ($0, String(words[1])) } : nil
        }
        return files.sorted { $0.size > $1.size }.map(\.path)
    }
}

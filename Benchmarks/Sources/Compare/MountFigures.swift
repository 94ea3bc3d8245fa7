import Glibc

/// The mount beside ext4 with the same tree: warm, first after a mount, with cold caches, and with a million entries.
///
/// `BENCHMARK_TREE` is what is published and copied. The caches and ext4's image are both on the disk of
/// `BENCHMARK_DISK` (or /var/tmp).
struct MountFigures {
    private static let rounds = 7
    private static let coldRounds = 3
    private static let name = "mount.bench.example.org"

    let setting: BenchmarkSetting
    private let tree = getenv("BENCHMARK_TREE").map { String(cString: $0) } ?? "/usr/bin"
    private let disk = getenv("BENCHMARK_DISK").map { String(cString: $0) } ?? "/var/tmp"

    func measured() throws -> [Figure] {
        guard geteuid() == 0 else { throw BenchmarkError("mount: only root can mount ext4 and drop caches") }
        var template = Array("\(disk)/swift-cvmfs-bench-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw BenchmarkError("no folder can be made in \(disk)") }
        let scratch = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { _ = try? Child.run("/bin/rm", ["-rf", "--one-file-system", scratch]) }
        return try treeFigures(in: scratch) + millionFigures(in: scratch)
    }

    // MARK: A tree

    private func treeFigures(in scratch: String) throws -> [Figure] {
        let key = try publish(in: scratch)
        let ext4 = try Ext4Volume(in: scratch, name: "ext4", bytes: 4 << 30, inodes: 200_000)
        _ = try Child.run("/bin/cp", ["-a", "\(tree)/.", ext4.path])
        let cache = "\(scratch)/cache"
        var mount = try self.mount(key, cache, scratch)
        // Cold in every way: the objects come over HTTP.
        let cold = try pass("tar", mount.path)
        for what in ["find", "ls", "tar", "cat", "exec"] { _ = try pass(what, mount.path) }
        var figures: [Figure] = []
        for what in ["find", "ls", "tar", "cat", "exec"] {
            let pair = try compared(rounds: Self.rounds) {
                try pass(what, mount.path)
            } _: {
                try pass(what, ext4.path)
            }
            figures.append(
                Figure(
                    name: "Mount, warm \(Self.words(what)), beside ext4", ours: time(pair.ours), peer: time(pair.peer),
                    ratio: pair.ratio, target: .atMost(1.25)))
        }
        for (what, bound) in [("find", 0.0), ("cat", 0), ("ls", 10)] {
            // The least of some: the kernel may have dropped what another program's memory needed.
            var count = Int.max
            for _ in 0..<Self.coldRounds {
                let before = try mount.status().kernel.requests
                _ = try pass(what, mount.path)
                count = min(count, try mount.status().kernel.requests - before)
            }
            figures.append(
                Figure(
                    name: "  requests but STATFS of a repeated \(Self.words(what))", ours: "\(count)",
                    peer: "\(Int(bound))",
                    ratio: Double(count), target: .atMost(bound)))
        }
        figures.append(
            Figure(
                name: "  tar c, nothing cached, over HTTP", ours: time(cold), peer: "", ratio: .nan, target: .none))
        for (what, bound) in [("names", 1.0), ("tar", 1.4)] {
            var ours: [Double] = []
            var peer: [Double] = []
            for _ in 0..<Self.coldRounds {
                _ = consume mount
                try dropCaches()
                mount = try self.mount(key, cache, scratch)
                ours.append(try pass(what, mount.path))
                try ext4.coolDown()
                peer.append(try pass(what, ext4.path))
            }
            figures.append(
                Figure(
                    name: "  first \(Self.words(what)) after a mount, beside ext4, all caches of the kernel cold",
                    ours: time(median(ours)), peer: time(median(peer)), ratio: median(ours) / median(peer),
                    target: .atMost(bound)))
        }
        return figures
    }

    /// The key's file.
    private func publish(in scratch: String) throws -> String {
        let storage = try Self.storage()
        _ = try Child.run("/bin/rm", ["-rf", storage])
        let places = ["--storage", storage, "--keys", "\(scratch)/keys"]
        _ = try Child.run(setting.tool, ["init", Self.name] + places, discardsOutput: true)
        _ = try Child.run(
            setting.tool, ["publish", Self.name, "--from", tree, "--yes"] + places, discardsOutput: true)
        return "\(scratch)/keys/\(Self.name).pub"
    }

    private static func storage() throws -> String {
        guard let folder = getenv("BENCHMARK_FOLDER") else { throw BenchmarkError("BENCHMARK_FOLDER is not set") }
        return "\(String(cString: folder))/\(name)"
    }

    private func mount(_ key: String, _ cache: String, _ scratch: String) throws -> BenchmarkMount {
        try BenchmarkMount(
            of: "\(setting.url)/\(Self.name)", key: key, cache: cache, at: "\(scratch)/mount", tool: setting.tool)
    }

    // MARK: A million entries

    private func millionFigures(in scratch: String) throws -> [Figure] {
        let cache = "\(scratch)/million-cache"
        let url = setting.url(of: "million")
        let entries = try Child.run(
            setting.tool, ["find", url, "/", "--key", setting.key, "--cache", cache]
        ).output.split(separator: "\n")
        // No folder is empty there: each is in the path of another entry.
        let folders = Set(entries.compactMap { path in path.lastIndex(of: "/").map { path[..<$0] } })
        let ext4 = try Ext4Volume(in: scratch, name: "million-ext4", bytes: 2 << 30, inodes: 1_200_000)
        for entry in entries where entry != "/" {
            if folders.contains(entry) {
                mkdir("\(ext4.path)\(entry)", 0o755)
            } else {
                close(open("\(ext4.path)\(entry)", O_CREAT | O_WRONLY | O_CLOEXEC, 0o644))
            }
        }
        var ours: [Double] = []
        var peer: [Double] = []
        var memory: Int64 = 0
        for _ in 0..<Self.coldRounds {
            try dropCaches()
            let mount = try BenchmarkMount(
                of: url, key: setting.key, cache: cache, at: "\(scratch)/million", tool: setting.tool)
            ours.append(try pass("names", mount.path))
            _ = try pass("find", mount.path)
            memory = max(memory, try mount.status().memory.resident)
            try ext4.coolDown()
            peer.append(try pass("names", ext4.path))
        }
        return [
            Figure(
                name: "Mount, \(entries.count) entries, first find, beside ext4, all caches of the kernel cold",
                ours: time(median(ours)), peer: time(median(peer)), ratio: median(ours) / median(peer),
                target: .atMost(2)),
            Figure(
                name: "  memory of the process", ours: mebibytes(memory), peer: "150.00 MiB",
                ratio: Double(memory) / Double(150 << 20), target: .atMost(1)),
        ]
    }

    // MARK: Passes over a tree

    private static func words(_ what: String) -> String {
        switch what {
        case "names": "find"
        case "find": "find -ls"
        case "ls": "ls -lR"
        case "tar": "tar c"
        case "cat": "cat of all files"
        default: "100 exec"
        }
    }

    /// The seconds that a program takes to see all of a tree.
    private func pass(_ what: String, _ path: String) throws -> Double {
        let script =
            switch what {
            case "names": "exec find ."
            case "find": "exec find . -ls"
            case "ls": "exec ls -lR ."
            // tar reads no file when it writes to /dev/null.
            case "tar": "tar c . | cat"
            case "cat": "find . -type f -print0 | xargs -0 cat"
            default:
                "if [ -x bin/true ]; then for i in $(seq 100); do chroot . /bin/true; done; fi"
            }
        return try Child.run("/bin/sh", ["-ec", "cd \"$1\"; \(script)", "sh", path], discardsOutput: true).seconds
    }
}

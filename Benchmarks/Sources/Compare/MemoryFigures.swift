import Glibc

/// The peak memory of the program, as the kernel kept it.
struct MemoryFigures {
    let setting: BenchmarkSetting

    func measured() throws -> [Figure] {
        let (cat, find): (Int64, Int64) = (64 << 20, 128 << 20)
        return [
            try figure("cat of 1 GiB in chunks", "chunked", ["cat"], "/large", limit: cat),
            try figure("find over 1 M entries, 201 catalogs", "million", ["find"], "/", limit: find),
            try figure("  the same with --json", "million", ["find", "--json"], "/", limit: find),
            try figure("find over 1 M entries, one directory", "wide", ["find"], "/", limit: find),
            try figure("  the same with --json", "wide", ["find", "--json"], "/", limit: find),
        ]
    }

    private func figure(
        _ name: String, _ repository: String, _ command: [String], _ path: String, limit: Int64
    ) throws -> Figure {
        let scratch = try ScratchFolder()
        let child = try Child.run(
            setting.tool,
            command + [setting.url(of: repository), path, "--key", setting.key, "--cache", scratch.path],
            discardsOutput: true)
        return Figure(
            name: "Memory: \(name)", ours: "\(mebibytes(child.peakMemory)), \(time(child.seconds))",
            peer: mebibytes(limit), ratio: Double(child.peakMemory) / Double(limit), target: .atMost(1))
    }
}

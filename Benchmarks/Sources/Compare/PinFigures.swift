import Glibc

/// A whole image, fetched, verified and stored by `cvmfs pin`, beside what pulling one always was: `curl` of a tar archive,
/// `gzip -d`, `tar x`. Each time into a new folder in memory.
struct PinFigures {
    private static let rounds = 7

    let setting: BenchmarkSetting

    func measured() throws -> [Figure] {
        let root = try setting.root()
        let archive = "\(setting.folder)/image-\(getpid()).tar.gz"
        defer { unlink(archive) }
        _ = try Child.run("/bin/sh", ["-ec", "tar -C \"$1\" -cf - . | gzip >\"$2\"", "sh", root, archive])
        let source = "\(setting.url)/image-\(getpid()).tar.gz"
        var figures: [Figure] = []
        for (deflater, bound) in [("zlib", 1.0), ("libdeflate", 0.5)] {
            let image = try PublishedImage(root, deflater: deflater, setting)
            let (url, options) = (image.url, image.options)
            let times = try compared(rounds: Self.rounds) { [setting] in
                let scratch = try ScratchFolder()
                return try Child.run(
                    setting.tool, ["pin", url, "/image"] + options + ["--cache", scratch.path + "/cache"],
                    discardsOutput: true
                ).seconds
            } _: {
                let scratch = try ScratchFolder()
                return try Child.run(
                    "/bin/sh",
                    ["-c", "curl -sf \"$1\" | gzip -d | tar -C \"$2\" -xpf -", "sh", source, scratch.path]
                ).seconds
            }
            figures.append(
                Figure(
                    name: "cvmfs pin, \(deflater) objects, beside curl | gzip -d | tar x", ours: time(times.ours),
                    peer: time(times.peer), ratio: times.ratio, target: .atMost(bound)))
        }
        return figures
    }
}

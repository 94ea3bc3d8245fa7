import CPeer
import Glibc

/// From the start of `cvmfs run` until its program has said something, with everything cached and no mount yet, beside
/// `crun run` on the same files unpacked.
///
/// It is more than the first instruction: the shell and its libraries are read through a new mount.
struct RunFigures {
    private static let rounds = 21
    private static let words = ["sh", "-c", "echo hello"]

    let setting: BenchmarkSetting

    func measured() throws -> [Figure] {
        let root = try setting.root()
        guard peer_unify_cgroups() == 0 else { throw BenchmarkError("control groups cannot be mounted, as crun needs") }
        let image = try PublishedImage(root, deflater: "zlib", setting)
        let scratch = try ScratchFolder()
        try Self.bundle(root, in: scratch.path)
        let (url, options, path) = (image.url, image.options, scratch.path)
        let ours = { [setting] in
            try Child.run(
                setting.tool,
                ["run", url, "/image"] + options + ["--cache", path + "/cache", "--quiet", "--"] + Self.words
            ).secondsToOutput
        }
        let peer = {
            try Child.run(
                "/usr/bin/crun",
                [
                    "--root", path + "/crun", "--cgroup-manager", "disabled", "run", "--bundle", path,
                    "bench-\(getpid())",
                ]
            ).secondsToOutput
        }
        for _ in 0..<3 {
            _ = try ours()
            _ = try peer()
        }
        let times = try compared(rounds: Self.rounds, ours, peer)
        return [
            Figure(
                name: "cvmfs run, all cached, until sh speaks, beside crun + 15 ms", ours: time(times.ours),
                peer: "\(time(times.peer)) crun", ratio: times.ours / (times.peer + 0.015), target: .atMost(1))
        ]
    }

    /// A bundle with the namespaces and mounts that `cvmfs run` makes.
    private static func bundle(_ root: String, in folder: String) throws {
        let capabilities = #"["CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_FOWNER","CAP_KILL","CAP_SETGID","CAP_SETUID"]"#
        let words = words.map { "\"\($0)\"" }.joined(separator: ",")
        let text = """
            {"ociVersion":"1.0.2","hostname":"bench","root":{"path":"\(root)"},
            "process":{"user":{"uid":0,"gid":0},"args":[\(words)],"cwd":"/","env":["PATH=/usr/bin:/bin"],
            "capabilities":{"bounding":\(capabilities),"effective":\(capabilities),"permitted":\(capabilities)}},
            "mounts":[{"destination":"/proc","type":"proc","source":"proc"},
            {"destination":"/dev","type":"tmpfs","source":"tmpfs","options":["nosuid","mode=755","size=65536k"]},
            {"destination":"/dev/pts","type":"devpts","source":"devpts","options":["nosuid","noexec","newinstance",
            "ptmxmode=0666","mode=0620","gid=5"]},
            {"destination":"/dev/shm","type":"tmpfs","source":"shm","options":["nosuid","noexec","nodev","mode=1777"]},
            {"destination":"/sys","type":"none","source":"/sys","options":["rbind","nosuid","noexec","nodev","ro"]}],
            "linux":{"namespaces":[{"type":"mount"},{"type":"pid"},{"type":"ipc"},{"type":"uts"}],
            "maskedPaths":["/proc/kcore","/proc/keys","/proc/timer_list"],
            "readonlyPaths":["/proc/bus","/proc/fs","/proc/irq","/proc/sys","/proc/sysrq-trigger"]}}
            """
        guard let file = fopen(folder + "/config.json", "w") else { throw BenchmarkError("no bundle can be made") }
        defer { fclose(file) }
        fputs(text, file)
    }
}

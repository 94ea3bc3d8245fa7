import ArgumentParser
import CVMFS
import FUSEMount
import Signing

struct Explain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows what a mount had to fetch: each path, object, reason, server and time.")

    @Argument(help: "Where it is mounted.")
    var mountpoint: String

    @Option(name: .shortAndLong, help: "So many of the last ones.")
    var last = 50

    @Flag(help: "Print JSON on standard output, one object a line.")
    var json = false

    func run() async throws {
        let (path, last) = (mountpoint, last)
        let reply = try await BlockingPool.shared.run {
            try MountControl(mountpoint: path).ask(.explain(min(last, 200)))
        }
        guard case .misses(let misses) = reply else { return }
        var output = StandardOutput()
        for miss in misses {
            if json { try output.line(MountJSON.value(of: miss)) } else { try output.line(Self.line(miss)) }
        }
        try output.flush()
    }

    private static func line(_ miss: MountMiss) -> String {
        let time = UnixTime(Int64(miss.time)).description
        let what = [miss.kind, miss.path.map(TerminalText.escaped), miss.object].compactMap { $0 }
        let outcome =
            miss.failure.map { "failed: \($0)" }
            ?? "\(ByteText.of(miss.bytes)) from \(miss.source ?? "?") in \(Int(miss.milliseconds)) ms"
        return "\(time)  \(miss.why)  \(what.joined(separator: " "))  \(outcome)"
    }
}

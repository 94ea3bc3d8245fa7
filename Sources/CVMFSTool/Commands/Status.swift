import ArgumentParser
import CVMFS
import FUSEMount
import Provisioner

struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows how a mount is: revision, cache, memory, what of the kernel is in use.")

    @Argument(help: "Where it is mounted, or a provisioned root.")
    var mountpoint: String

    @Flag(help: "Ask the servers for a newer revision first.")
    var refresh = false

    @Flag(help: "Print JSON on standard output.")
    var json = false

    func run() async throws {
        let (path, refresh) = (mountpoint, refresh)
        let program = try ThisProgram.path
        let (reply, images) = try await BlockingPool.shared.run { () -> (ControlReply, [PinnedImage]) in
            let control = try MountControl(mountpoint: Self.mountpoint(below: path, program) ?? path)
            if refresh { _ = try control.ask(.refresh) }
            let reply = try control.ask(.status)
            guard case .status(let status) = reply else { return (reply, []) }
            // Another user's cache may be closed to this one: then nothing is told of it.
            let store = try? DiskStore(at: FilePath(status.cache.path), access: .readOnly)
            let images = try store.map { try PinnedImages(of: $0).all() } ?? []
            return (reply, images.filter { $0.repository == status.repository })
        }
        guard case .status(let status) = reply else { return }
        var output = StandardOutput()
        if json {
            var value = try MountJSON.value(of: status)
            if case .object(var members) = value {
                members.append(("pinnedImages", .array(images.map { Pin.json($0, fetched: nil) })))
                value = .object(members)
            }
            try output.line(value)
        } else {
            try output.line(([Self.text(status)] + images.map(Self.text)).joined(separator: "\n"))
        }
        try output.flush()
    }

    /// The lazy mount of a provisioned root.
    private static func mountpoint(below target: String, _ program: String) throws -> String? {
        let place = try RuntimeFolder(mountpoint: target).mountpoint
        let roots = try? RootProvisioner(program: program).roots()
        return roots?.first { $0.root.target == place && $0.state == .ready }?.root.mountpoint
    }

    private static func reading(_ status: MountStatus) -> String {
        var text = status.reading ?? "cached"
        if let count = status.passedThrough { text += ", \(counted(count, "open file")) by the kernel" }
        if let failure = status.readingFailure { text += " (no passthrough: \(failure))" }
        return text
    }

    private static func text(_ image: PinnedImage) -> String {
        "Pinned:       \(image.path) of revision \(image.revision), \(ByteText.of(image.bytes)): "
            + (image.isComplete ? "complete, needs no network" : "not complete yet")
    }

    private static func text(_ status: MountStatus) -> String {
        let all = status.fetched.hits + status.fetched.objects
        let rate = all == 0 ? "nothing asked yet" : "\(status.fetched.hits * 100 / all) % of \(all) were cached"
        var lines = [
            "Repository:   \(status.repository)",
            "Revision:     \(status.revision)\(status.tag.map { " (tag \($0))" } ?? "")",
            "Root catalog: \(status.rootHash)",
            "Time to live: \(status.timeToLive) s",
            "Server:       \(status.server ?? "none asked yet, or none answered")",
        ]
        if let offline = status.offline { lines.append("Offline:      \(offline)") }
        lines += [
            "Cache:        \(ByteText.of(status.cache.bytes)) of \(ByteText.of(status.cache.limit)) in \(status.cache.path)",
            "Objects:      \(rate)",
            "Fetched:      \(counted(status.fetched.objects, "object")), \(ByteText.of(status.fetched.bytes)) in "
                + "\(counted(status.fetched.requests, "request")), \(status.fetched.ahead) ahead, "
                + "\(status.fetched.failures) failed",
            "Nodes:        \(status.nodes) known to the kernel, \(counted(status.openContents, "file")) open, "
                + counted(status.loadedCatalogs, "catalog"),
            "Memory:       \(ByteText.of(Int64(status.memory.resident))): nodes "
                + "\(ByteText.of(Int64(status.memory.nodes))), catalogs \(ByteText.of(Int64(status.memory.catalogs)))",
            "Reading:      " + reading(status),
            "Errors:       \(status.ioErrors) calls failed",
            "Kernel:       protocol 7.\(status.kernel.minor), \(status.kernel.features.joined(separator: " "))",
            "Requests:     \(status.kernel.requests), \(status.kernel.waiting) waiting: "
                + status.kernel.requestsByKind.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(
                    separator: ", "),
            "Process:      \(status.process), for \(status.uptime) s, \(counted(status.kernel.workers, "thread")), "
                + counted(status.kernel.channels, "channel"),
        ]
        return lines.joined(separator: "\n")
    }
}

import ArgumentParser
import CVMFS
import Provisioner

struct Roots: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lists the roots that cvmfs provision has made, removes them, and tidies up behind dead ones.")

    @Argument(help: "The root to remove.")
    var target: String?

    @Flag(help: "Remove the root at TARGET, its own layer, and the mount below when no other root needs it.")
    var remove = false

    @Flag(help: "Remove it also while it is in use.")
    var force = false

    @Flag(help: "Tidy up what killed processes, ended namespaces and former boots have left.")
    var clean = false

    @Option(help: "The folder of records. Default: below /run, or the user's runtime folder.")
    var state: String?

    @Flag(help: "Print JSON on standard output.")
    var json = false

    func validate() throws {
        guard remove == (target != nil), !(remove && clean) else {
            throw ValidationError("Give TARGET with --remove, or --clean, or neither.")
        }
    }

    func run() async throws {
        let provisioner = try RootProvisioner(
            state: state.map { RawArgument.filePath($0) }, program: try ThisProgram.path)
        let (target, isForced, cleans) = (target.map { RawArgument.filePath($0) }, force, clean)
        let roots = try await BlockingPool.shared.run {
            if let target {
                try provisioner.remove(target, isForced: isForced)
            } else if cleans {
                try provisioner.clean()
            }
            return try provisioner.roots()
        }
        guard target == nil, !clean else { return }
        var output = StandardOutput()
        if json {
            try output.line(.array(roots.map { Self.json($0.root, $0.state) }))
        } else {
            for (root, state) in roots {
                try output.line(
                    "\(state.rawValue)\t\(root.target)\t\(root.repository)\t\(root.path)\t\(root.rootHash)")
            }
        }
        try output.flush()
    }

    static func json(_ root: ProvisionedRoot, _ state: RootState) -> JSONValue {
        .object([
            ("target", .string(root.target)),
            ("state", .string(state.rawValue)),
            ("repository", .string(root.repository)),
            ("path", .string(root.path)),
            ("rootHash", .string(root.rootHash)),
            ("revision", .unsigned(root.revision)),
            ("mountpoint", .string(root.mountpoint)),
            ("layer", root.layer.map { .string($0) } ?? .null),
        ])
    }
}

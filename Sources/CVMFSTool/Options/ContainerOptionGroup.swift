import ArgumentParser
import CVMFS
import Provisioner

/// What a container may be told beside its image and program.
struct ContainerOptionGroup: ParsableArguments {
    @Option(help: "Set a variable, NAME=VALUE; or remove it, NAME. Repeatable.")
    var env: [String] = []

    @Option(help: "Who the program runs as: a user of the image or a number, and a group after a colon.")
    var user: String?

    @Option(help: "Where the program starts, in the image.")
    var workdir: String?

    @Option(help: "Show a folder or file of the host in the container: SOURCE:TARGET, with :ro read-only. Repeatable.")
    var volume: [String] = []

    @Option(help: "Keep the container's changes in this folder. Default: in memory, until the end.")
    var layer: String?

    @Flag(help: "The image cannot be changed.")
    var readOnly = false

    @Option(help: "The container's host name.")
    var hostname = "cvmfs"

    @Flag(help: "Set-id bits and file capabilities of the image do not count.")
    var noNewPrivileges = false

    @Option(help: "An OCI image configuration (JSON) in place of the published one.")
    var configuration: String?

    @Option(help: "FUSE's device.")
    var fuseDevice = "/dev/fuse"

    func validate() throws {
        for text in volume { _ = try Self.bind(text) }
    }

    func options() throws -> ContainerOptions {
        var options = ContainerOptions(
            isReadOnly: readOnly, hostname: hostname, binds: try volume.map { try Self.bind($0) },
            allowsNewPrivileges: !noNewPrivileges, device: fuseDevice,
            subordinates: SubordinateIDs.ofCaller())
        options.layer = layer.map { RawArgument.filePath($0) }
        return options
    }

    /// The image's configuration, or the one given.
    func configuration(of image: Image) async throws -> ImageConfiguration {
        guard let configuration else { return try await .published(with: image) }
        let path = RawArgument.filePath(configuration)
        guard let bytes = try LocalFile.read(path, limit: Int(ProvisionerLimits.configurationBytes)) else {
            throw CVMFSError(.invalidArgument, "there is no \(path)")
        }
        return try ImageConfiguration(parsing: bytes)
    }

    /// The program: what the configuration says, changed by the options.
    func program(_ words: [String], in image: Image) async throws -> ContainerProgram {
        var configuration = try await configuration(of: image)
        if let workdir { configuration.workingFolder = workdir }
        let user = try await ImageUser.find(user ?? configuration.user, in: image)
        return try ContainerProgram(
            configuration, words: words.map(RawArgument.bytes), environment: env, user: user)
    }

    private static func bind(_ text: String) throws -> ContainerBind {
        var parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        let isReadOnly = parts.last == "ro" && parts.count == 3
        if isReadOnly { parts.removeLast() }
        guard parts.count == 2, !parts[0].isEmpty, parts[1].hasPrefix("/") else {
            throw ValidationError("\"\(text)\" is not SOURCE:TARGET or SOURCE:TARGET:ro, with an absolute TARGET.")
        }
        return ContainerBind(
            RawArgument.filePath(parts[0]), at: RawArgument.filePath(parts[1]), isReadOnly: isReadOnly)
    }
}

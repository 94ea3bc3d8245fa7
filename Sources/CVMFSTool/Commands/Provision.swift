import ArgumentParser
import CVMFS
import FUSEMount
import Provisioner

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

struct Provision: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Makes a root file system for a container: a lazy image below, a writable layer above.",
        discussion: """
            Roots of one snapshot share one mount and one cache, and stay on their snapshot whatever the repository \
            does. Needs root, or a user and mount namespace of one's own. cvmfs roots lists them and tidies up.
            """)

    @OptionGroup var repository: RepositoryOptionGroup

    @Argument(help: "The image's folder in the repository.")
    var path: String

    @Argument(help: "Where the root is to be; made when it is absent.")
    var target: String

    @OptionGroup var container: ContainerOptionGroup

    @Flag(help: "Fetch all of the image first, and keep it: from then on it needs no network.")
    var complete = false

    @Flag(help: "Make an OCI runtime bundle: config.json from the image's own configuration, and the root at rootfs.")
    var bundle = false

    @Flag(help: "With --bundle: for an ordinary user, who is root in it.")
    var rootless = false

    @Option(help: "The folder of records. Default: below /run, or the user's runtime folder.")
    var state: String?

    @Argument(parsing: .postTerminator, help: "With --bundle: the program. Default: what the image names.")
    var command: [String] = []

    func run() async throws {
        let (opened, store) = try await repository.openImage(path)
        let image = opened.image
        let provisioner = try RootProvisioner(
            state: state.map { RawArgument.filePath($0) }, program: try ThisProgram.path)
        if complete { try await image.complete(in: store) }
        let folder = RawArgument.filePath(target)
        let place = bundle ? folder.appending("rootfs") : folder
        if bundle {
            _ = folder.withPlatformString { mkdir($0, 0o755) }
            let program = try await container.program(command, in: image)
            try RuntimeBundle(
                program, hostname: container.hostname, isReadOnly: container.readOnly, hasTerminal: isatty(0) == 1,
                mapping: rootless ? (geteuid(), getegid()) : nil
            ).write(to: folder)
        }
        let mount = try configuration(of: opened, store)
        let (layer, isReadOnly) = (container.layer.map { RawArgument.filePath($0) }, container.readOnly)
        let root = try await BlockingPool.shared.run {
            try provisioner.provision(image, at: place, mount: mount, layer: layer, isReadOnly: isReadOnly)
        }
        if repository.json {
            var output = StandardOutput()
            try output.line(Roots.json(root, .ready))
            try output.flush()
        }
    }

    private func configuration(of opened: OpenedImage, _ store: DiskStore) throws -> MountConfiguration {
        let (name, servers) = try repository.fqrn()
        // A mount wants some server; what is complete in the cache is never asked for.
        var mount = MountConfiguration(
            repository: name, servers: servers.isEmpty ? ["file:///nonexistent/@fqrn@"] : servers,
            cache: try absolutePath(store.path.string), mountpoint: "")
        mount.externalServers = repository.externalServer
        mount.proxy = repository.proxy
        mount.keys = try repository.key.map(absolutePath)
        mount.cacheLimit = repository.cacheLimit.bytes
        mount.device = container.fuseDevice
        return mount
    }
}

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
        usage: """
            cvmfs provision <name> <path> <target> [<options>] [-- <command> ...]
                   cvmfs provision --remove <target> [--force] [--state <state>]
            """,
        discussion: """
            Roots of one snapshot share one mount and one cache, and stay on their snapshot whatever the repository \
            does. Needs root, or a user and mount namespace of one's own. cvmfs roots lists them and tidies up.
            """)

    @OptionGroup var repository: RepositoryOptionGroup

    @Argument(help: "The image's folder in the repository.")
    var path: String?

    @Argument(help: "Where the root is to be; made when it is absent.")
    var target: String?

    @OptionGroup var container: ContainerOptionGroup

    @Flag(help: "Fetch all of the image first, and keep it: from then on it needs no network.")
    var complete = false

    @Flag(help: "With --complete: do not wait for it; cvmfs status tells how far it is.")
    var background = false

    @Flag(help: "Make an OCI runtime bundle: config.json from the image's own configuration, and the root at rootfs.")
    var bundle = false

    @Flag(help: "With --bundle: for an ordinary user, who is root in it.")
    var rootless = false

    @Flag(help: "Remove the root at TARGET instead, which may then be the only argument, as cvmfs roots --remove does.")
    var remove = false

    @Flag(help: "With --remove: also while it is in use.")
    var force = false

    @Option(help: "The folder of records. Default: below /run, or the user's runtime folder.")
    var state: String?

    @Argument(parsing: .postTerminator, help: "With --bundle: the program. Default: what the image names.")
    var command: [String] = []

    func validate() throws {
        guard complete || !background else { throw ValidationError("--background goes with --complete.") }
        guard remove || !force else { throw ValidationError("--force goes with --remove.") }
        // With --remove a single argument is TARGET, which the parser takes for NAME.
        guard (path != nil) == (target != nil), remove || path != nil else {
            throw ValidationError("Give NAME, PATH and TARGET; with --remove TARGET is enough.")
        }
    }

    func run() async throws {
        let provisioner = try RootProvisioner(
            state: state.map { RawArgument.filePath($0) }, program: try ThisProgram.path)
        guard let path, let target, !remove else {
            let (place, isForced) = (RawArgument.filePath(target ?? repository.name), force)
            return try await BlockingPool.shared.run { try provisioner.remove(place, isForced: isForced) }
        }
        try await provision(path, at: target, by: provisioner)
    }

    private func provision(_ path: String, at target: String, by provisioner: RootProvisioner) async throws {
        let (opened, store) = try await repository.openImage(path)
        let image = opened.image
        if complete && !background { try await image.complete(in: store) }
        let folder = RawArgument.filePath(target)
        let place = bundle ? folder.appending("rootfs") : folder
        if bundle {
            _ = folder.withPlatformString { mkdir($0, 0o755) }
            let program = try await container.program(command, in: image)
            try RuntimeBundle(
                program, hostname: container.hostname, isReadOnly: container.readOnly, hasTerminal: isatty(0) == 1,
                mapping: rootless ? (geteuid(), getegid()) : nil,
                subordinates: rootless ? SubordinateIDs.ofCaller() : nil
            ).write(to: folder)
        }
        let mount = try configuration(of: opened, store)
        let (layer, isReadOnly) = (container.layer.map { RawArgument.filePath($0) }, container.readOnly)
        let allowsNewPrivileges = !container.noNewPrivileges
        let root = try await BlockingPool.shared.run {
            try provisioner.provision(
                image, at: place, mount: mount, layer: layer, isReadOnly: isReadOnly,
                allowsNewPrivileges: allowsNewPrivileges)
        }
        if complete && background { try completeInBackground(image, path, store) }
        if repository.json {
            var output = StandardOutput()
            try output.line(Roots.json(root, .ready))
            try output.flush()
        }
    }

    /// Starts `cvmfs pin` for the same snapshot, in a session of its own: it outlives this process and its terminal.
    private func completeInBackground(_ image: Image, _ path: String, _ store: DiskStore) throws {
        var words = [
            try ThisProgram.path, "pin", repository.name, path, "--root-hash", image.snapshot.rootHash.description,
            "--cache", try absolutePath(store.path.string), "--cache-limit", "\(repository.cacheLimit.bytes)",
            "--proxy",
            repository.proxy,
        ]
        for server in repository.server { words += ["--server", server] }
        for server in repository.externalServer { words += ["--external-server", server] }
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        for descriptor in [Int32(0), 1, 2] {
            posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_RDWR, 0)
        }
        // Threads of Swift's pool block most signals, and a child would inherit that.
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK) | 0x80 /* POSIX_SPAWN_SETSID */)
        let copies = words.map { strdup($0) }
        defer { for copy in copies { free(copy) } }
        var child: pid_t = 0
        let error = posix_spawn(&child, words[0], &actions, &attributes, copies + [nil], environ)
        guard error == 0 else {
            throw ProvisionerError(.refused, "\(words[0]) cannot be started", errno: Errno(rawValue: error))
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

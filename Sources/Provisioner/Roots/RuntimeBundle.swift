public import CVMFS
internal import FoundationEssentials
internal import Glibc

/// An OCI runtime bundle: a folder with `config.json` and the root file system `rootfs`, as crun and runc take it.
///
/// Source: OCI runtime specification 1.0.
public struct RuntimeBundle: Sendable {
    public var program: ContainerProgram
    public var hostname: String
    public var isReadOnly: Bool
    /// With a user namespace that maps this user and group to root.
    public var mapping: (user: UInt32, group: UInt32)?
    /// With `mapping`: who else is in the user namespace, from 1 on; the runtime has them mapped.
    public var subordinates: SubordinateIDs?
    public var hasTerminal: Bool

    /// - Parameters:
    ///   - program: what to start, and as whom.
    ///   - hostname: the container's.
    ///   - isReadOnly: whether the root cannot be changed.
    ///   - hasTerminal: whether the program gets a terminal.
    ///   - mapping: for a bundle that an ordinary user starts.
    ///   - subordinates: with `mapping`, who else is in the container.
    public init(
        _ program: ContainerProgram, hostname: String = "cvmfs", isReadOnly: Bool = false, hasTerminal: Bool = false,
        mapping: (user: UInt32, group: UInt32)? = nil, subordinates: SubordinateIDs? = nil
    ) {
        self.program = program
        self.hostname = hostname
        self.isReadOnly = isReadOnly
        self.hasTerminal = hasTerminal
        self.mapping = mapping
        self.subordinates = subordinates
    }

    /// Writes `config.json` into the bundle's folder. Blocks.
    public func write(to folder: FilePath) throws {
        try LocalFile.replace(folder.appending("config.json"), with: try configuration())
    }

    /// The content of `config.json`.
    ///
    /// - Throws: `ProvisionerError` with `.invalidArgument` when a word of the program is not UTF-8, as JSON must be.
    public func configuration() throws -> [UInt8] {
        guard program.words.allSatisfy({ String(validating: $0, as: UTF8.self) != nil }) else {
            throw ProvisionerError(
                .invalidArgument, "the program has a word that is not UTF-8, which a runtime's config.json cannot hold")
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(Document(self)))
    }

    // MARK: The document

    private static let capabilities = [
        "CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL",
        "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID",
        "CAP_SYS_CHROOT",
    ]

    private struct Document: Encodable {
        struct User: Encodable {
            let uid: UInt32
            let gid: UInt32
            let additionalGids: [UInt32]?
        }

        struct Process: Encodable {
            let terminal: Bool
            let user: User
            let args: [String]
            let env: [String]
            let cwd: String
            let capabilities: [String: [String]]
            let noNewPrivileges: Bool
        }

        struct Root: Encodable {
            let path: String
            let readonly: Bool
        }

        struct Mount: Encodable {
            let destination: String
            let type: String
            let source: String
            let options: [String]
        }

        struct Namespace: Encodable {
            let type: String
        }

        struct Mapping: Encodable {
            let containerID: UInt32
            let hostID: UInt32
            let size: UInt32

            static func all(_ own: UInt32, _ others: Range<UInt32>?) -> [Mapping] {
                let own = Mapping(containerID: 0, hostID: own, size: 1)
                guard let others else { return [own] }
                return [own, Mapping(containerID: 1, hostID: others.lowerBound, size: UInt32(others.count))]
            }
        }

        struct Linux: Encodable {
            let namespaces: [Namespace]
            let uidMappings: [Mapping]?
            let gidMappings: [Mapping]?
            let maskedPaths: [String]
            let readonlyPaths: [String]
        }

        let ociVersion = "1.0.2"
        let process: Process
        let root: Root
        let hostname: String
        let mounts: [Mount]
        let linux: Linux

        init(_ bundle: RuntimeBundle) {
            let program = bundle.program
            let isRootless = bundle.mapping != nil
            let hasOneUser = isRootless && bundle.subordinates == nil
            let groups = program.user.groups
            let names = ["bounding", "effective", "permitted"]
            process = Process(
                terminal: bundle.hasTerminal,
                user: User(
                    uid: program.user.id, gid: program.user.group,
                    additionalGids: groups.isEmpty || hasOneUser ? nil : groups),
                args: program.arguments, env: program.environment, cwd: program.folder,
                capabilities: Dictionary(uniqueKeysWithValues: names.map { ($0, RuntimeBundle.capabilities) }),
                noNewPrivileges: false)
            root = Root(path: "rootfs", readonly: bundle.isReadOnly)
            hostname = bundle.hostname
            mounts = RuntimeBundle.mounts(isRootless: isRootless, hasOneUser: hasOneUser)
            let namespaces = ["mount", "pid", "ipc", "uts"] + (isRootless ? ["user"] : [])
            linux = Linux(
                namespaces: namespaces.map { Namespace(type: $0) },
                uidMappings: bundle.mapping.map { Mapping.all($0.user, bundle.subordinates?.users) },
                gidMappings: bundle.mapping.map { Mapping.all($0.group, bundle.subordinates?.groups) },
                maskedPaths: ["/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/sys/firmware"],
                readonlyPaths: ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"])
        }
    }

    private static func mounts(isRootless: Bool, hasOneUser: Bool) -> [Document.Mount] {
        let usual = ["nosuid", "noexec", "nodev"]
        // Group 5, that of terminals, is not mapped in a user namespace of one user.
        let pts = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"] + (hasOneUser ? [] : ["gid=5"])
        // In a user namespace without a network of its own sysfs cannot be mounted, only bound.
        let sys =
            isRootless
            ? Document.Mount(
                destination: "/sys", type: "none", source: "/sys",
                options: ["rbind", "nosuid", "noexec", "nodev", "ro"])
            : Document.Mount(destination: "/sys", type: "sysfs", source: "sysfs", options: usual + ["ro"])
        return [
            .init(destination: "/proc", type: "proc", source: "proc", options: usual),
            .init(
                destination: "/dev", type: "tmpfs", source: "tmpfs",
                options: ["nosuid", "strictatime", "mode=755", "size=65536k"]),
            .init(destination: "/dev/pts", type: "devpts", source: "devpts", options: pts),
            .init(
                destination: "/dev/shm", type: "tmpfs", source: "shm", options: usual + ["mode=1777", "size=65536k"]),
            sys,
        ]
    }
}

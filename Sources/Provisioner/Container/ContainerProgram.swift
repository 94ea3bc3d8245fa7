public import SystemPackage

/// The program that a container is started for.
public struct ContainerProgram: Sendable, Hashable {
    /// The program and its words. Without a slash in it, the program is searched for in the image along `PATH`.
    public var arguments: [String]
    /// `NAME=value`; nothing of the caller's environment is added.
    public var environment: [String]
    /// Where it starts; made when the image has no such folder.
    public var folder: String
    public var user: ImageUser

    public init(arguments: [String], environment: [String] = [], folder: String = "/", user: ImageUser = .root) {
        self.arguments = arguments
        self.environment = environment
        self.folder = folder
        self.user = user
    }

    /// The program that an image's configuration names, or other words in its command's place.
    ///
    /// - Throws: `ProvisionerError` with `.program` when neither names one.
    public init(
        _ configuration: ImageConfiguration, words: [String] = [], environment: [String] = [], user: ImageUser
    ) throws(ProvisionerError) {
        let arguments = configuration.arguments(replacingCommandBy: words)
        guard !arguments.isEmpty else {
            throw ProvisionerError(.program, "the image names no program: give one after --")
        }
        var variables = configuration.environment(setting: environment)
        if !variables.contains(where: { $0.hasPrefix("HOME=") }) { variables.append("HOME=\(user.home)") }
        self.init(
            arguments: arguments, environment: variables, folder: configuration.workingFolder, user: user)
    }

    func check() throws(ProvisionerError) {
        guard let first = arguments.first, !first.isEmpty else {
            throw ProvisionerError(.program, "a container needs a program to start")
        }
        for text in arguments + environment + [folder]
        where text.utf8.contains(0) || text.utf8.count >= ProvisionerLimits.stringBytes {
            throw ProvisionerError(
                .invalidArgument, "\"\(text.prefix(32))…\" holds a zero byte, or is longer than the kernel takes")
        }
        guard user.groups.count <= ProvisionerLimits.groups else {
            throw ProvisionerError(.invalidArgument, "the user has more than \(ProvisionerLimits.groups) groups")
        }
        guard folder.hasPrefix("/") else {
            throw ProvisionerError(.invalidArgument, "the working folder is no absolute path: \(folder)")
        }
    }
}

/// A folder or file of the host that a container sees.
public struct ContainerBind: Sendable, Hashable {
    public var source: FilePath
    /// Absolute, in the container; made when it is absent there.
    public var target: FilePath
    public var isReadOnly: Bool

    public init(_ source: FilePath, at target: FilePath, isReadOnly: Bool = false) {
        self.source = source
        self.target = target
        self.isReadOnly = isReadOnly
    }
}

/// How a container is set up.
public struct ContainerOptions: Sendable {
    /// Where its changes are kept; `nil`: in memory, gone at the end.
    public var layer: FilePath?
    /// The root cannot be changed at all.
    public var isReadOnly: Bool
    public var hostname: String
    public var binds: [ContainerBind]
    /// Whether set-id bits and file capabilities of the image count.
    public var allowsNewPrivileges: Bool
    /// The kernel's FUSE device.
    public var device: String
    /// Threads that answer the mount.
    public var workers: Int

    public init(
        layer: FilePath? = nil, isReadOnly: Bool = false, hostname: String = "cvmfs", binds: [ContainerBind] = [],
        allowsNewPrivileges: Bool = true, device: String = "/dev/fuse", workers: Int = 2
    ) {
        self.layer = layer
        self.isReadOnly = isReadOnly
        self.hostname = hostname
        self.binds = binds
        self.allowsNewPrivileges = allowsNewPrivileges
        self.device = device
        self.workers = workers
    }
}

/// How a container's program ended.
public enum ContainerStatus: Sendable, Hashable {
    case exited(Int32)
    case killed(signal: Int32)

    /// As a shell has it: its own code, or 128 and the signal's number.
    public var exitCode: Int32 {
        switch self {
        case .exited(let code): code
        case .killed(let signal): 128 + signal
        }
    }

    /// - Parameter status: as wait(2) gives it.
    init(_ status: Int32) {
        let signal = status & 0x7F
        self = signal == 0 ? .exited(status >> 8 & 0xFF) : .killed(signal: signal)
    }
}

public import SystemPackage

/// The program that a container is started for.
public struct ContainerProgram: Sendable, Hashable {
    /// The program and its words, as the bytes that it gets: names of files among them need not be UTF-8. Without a
    /// slash in it, the program is searched for in the image along `PATH`.
    public var words: [[UInt8]]
    /// `NAME=value`; nothing of the caller's environment is added.
    public var environment: [String]
    /// Where it starts; made when the image has no such folder.
    public var folder: String
    public var user: ImageUser

    public init(arguments: [String], environment: [String] = [], folder: String = "/", user: ImageUser = .root) {
        self.init(words: arguments.map { Array($0.utf8) }, environment: environment, folder: folder, user: user)
    }

    public init(words: [[UInt8]], environment: [String] = [], folder: String = "/", user: ImageUser = .root) {
        self.words = words
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
        try self.init(
            configuration, words: words.map { Array($0.utf8) }, environment: environment, user: user)
    }

    /// The same with words that need not be UTF-8.
    public init(
        _ configuration: ImageConfiguration, words: [[UInt8]], environment: [String] = [], user: ImageUser
    ) throws(ProvisionerError) {
        let own = configuration.arguments(replacingCommandBy: [])
        let words = words.isEmpty ? own.map { Array($0.utf8) } : configuration.entrypoint.map { Array($0.utf8) } + words
        guard !words.isEmpty else {
            throw ProvisionerError(.program, "the image names no program: give one after --")
        }
        var variables = configuration.environment(setting: environment)
        if !variables.contains(where: { $0.hasPrefix("HOME=") }) { variables.append("HOME=\(user.home)") }
        self.init(
            words: words, environment: variables, folder: configuration.workingFolder, user: user)
    }

    /// The words as text; what is not UTF-8 in them is replaced.
    public var arguments: [String] { words.map { String(decoding: $0, as: UTF8.self) } }

    func check() throws(ProvisionerError) {
        guard let first = words.first, !first.isEmpty else {
            throw ProvisionerError(.program, "a container needs a program to start")
        }
        for text in words + (environment + [folder]).map({ Array($0.utf8) })
        where text.contains(0) || text.count >= ProvisionerLimits.stringBytes {
            throw ProvisionerError(
                .invalidArgument,
                "\"\(String(decoding: text.prefix(32), as: UTF8.self))…\" holds a zero byte, or is longer than the kernel takes"
            )
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
    /// Who else is in the container of an ordinary user; `nil`: nobody. Root's containers have everybody.
    public var subordinates: SubordinateIDs?

    public init(
        layer: FilePath? = nil, isReadOnly: Bool = false, hostname: String = "cvmfs", binds: [ContainerBind] = [],
        allowsNewPrivileges: Bool = true, device: String = "/dev/fuse", workers: Int = 2,
        subordinates: SubordinateIDs? = nil
    ) {
        self.layer = layer
        self.isReadOnly = isReadOnly
        self.hostname = hostname
        self.binds = binds
        self.allowsNewPrivileges = allowsNewPrivileges
        self.device = device
        self.workers = workers
        self.subordinates = subordinates
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

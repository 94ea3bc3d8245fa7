import ArgumentParser
import CVMFS
import FUSEMount
import Signing
import Transport

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// What `cvmfs mount` is told beside the repository: options of its own, and `-o` as mount(8) gives them.
struct MountOptionGroup: ParsableArguments {
    @Option(name: .short, help: "Options as mount(8) gives them: server=URL,key=FILE,cache=DIR,tag=NAME and so on.")
    var o: [String] = []

    @Flag(help: "Return when it is mounted, and serve in the background.")
    var daemon = false

    @Option(help: "A file for what goes wrong in the background. Default: none.")
    var log = "/dev/null"

    @Flag(help: "All files belong to the user who mounts.")
    var claimOwnership = false

    @Option(help: "A file of lines FROM TO, or * TO: owners are changed so.")
    var uidMap: String?

    @Option(help: "The same for groups.")
    var gidMap: String?

    @Flag(help: "Everybody may read everything.")
    var worldReadable = false

    @Flag(help: "Other users may see the mount, too (the default for root).")
    var allowOther = false

    @Flag(help: "Only the user who mounts may see it.")
    var onlyMe = false

    @Flag(help: "The kernel does not check permissions.")
    var noPermissions = false

    @Option(help: "When magic extended attributes are listed: rootonly, never, always.")
    var magicXattrs = "rootonly"

    @Option(help: "Threads that answer. Default: one a processor, two at least.")
    var workers: Int?

    @Option(help: "A kernel feature to do without, as status names it; repeatable.")
    var without: [String] = []

    @Option(
        help: """
            How files are read: cached (the default: what was read once asks nobody), direct (no second page cache), \
            passthrough (the same and by the kernel itself; root, Linux 6.9; for few large files).
            """)
    var io: String?

    @Flag(
        help: """
            systemd keeps the mount's descriptors, so that it outlives its keeper, too (FileDescriptorStoreMax= in the \
            unit).
            """)
    var fdStore = false

    @Option(help: "Seconds to connect to a server, and that a transfer may be too slow.")
    var timeout: Int?

    @Option(help: "Seconds after which servers are asked for a new revision, at most.")
    var maxTTL: Int64?

    func validate() throws {
        guard MountConfiguration.MagicVisibility(rawValue: magicXattrs) != nil else {
            throw ValidationError("--magic-xattrs is rootonly, never or always.")
        }
        guard io.map({ MountConfiguration.Reading(rawValue: $0) != nil }) ?? true else {
            throw ValidationError("--io is cached, direct or passthrough.")
        }
        guard workers.map({ (1...64).contains($0) }) ?? true else { throw ValidationError("--workers is 1 to 64.") }
        guard timeout.map({ $0 > 0 }) ?? true else { throw ValidationError("--timeout is at least 1.") }
        guard !(allowOther && onlyMe) else { throw ValidationError("--allow-other and --only-me exclude each other.") }
    }
}

extension MountConfiguration {
    /// - Parameter mountpoint: as the user wrote it.
    init(_ repository: RepositoryOptionGroup, _ mount: MountOptionGroup, at mountpoint: String) throws {
        var repository = repository
        var mount = mount
        try mount.take(mount.o, into: &repository)
        try repository.validate()
        try mount.validate()
        let (name, servers) = try repository.address()
        self.init(
            repository: name, servers: servers, cache: try absolutePath(try repository.store().path.string),
            mountpoint: mountpoint)
        externalServers = repository.externalServer
        proxy = repository.proxy
        keys = try repository.key.map(absolutePath)
        cacheLimit = repository.cacheLimit.bytes
        if let hash = repository.rootHash {
            state = .root(hash)
        } else if let tag = repository.tag {
            state = .tag(tag)
        } else if let date = repository.date, let time = UnixTime(date) {
            state = .date(time.seconds)
        }
        timeout = mount.timeout
        maximumTimeToLive = mount.maxTTL
        if mount.claimOwnership { ownership.claimedBy = [geteuid(), getegid()] }
        ownership.users = try mount.uidMap.map(Self.map)
        ownership.groups = try mount.gidMap.map(Self.map)
        ownership.isWorldReadable = mount.worldReadable
        magicVisibility = MagicVisibility(rawValue: mount.magicXattrs) ?? .rootonly
        allowOther = mount.allowOther ? true : mount.onlyMe ? false : nil
        checksPermissions = !mount.noPermissions
        workers = mount.workers
        without = mount.without
        isStored = mount.fdStore ? true : nil
        reading = mount.io.flatMap { Reading(rawValue: $0) }
    }

    private static func map(_ path: String) throws -> Ownership.Map {
        guard let file = fopen(path, "r") else {
            throw ValidationError("\(path) cannot be read: errno \(errno).")
        }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = fread(&bytes, 1, bytes.count, file)
        return try Ownership.Map(parsing: String(decoding: bytes[..<count], as: UTF8.self))
    }
}

extension MountOptionGroup {
    /// Options that mean something to mount(8), systemd or the kernel only.
    private static let passedOver: Set<String> = [
        "ro", "nodev", "nosuid", "defaults", "_netdev", "nofail", "auto", "noauto", "user", "nouser", "users", "exec",
        "noatime", "relatime", "nodiratime", "async", "dev", "suid", "rw", "fsname", "x-mount.mkdir", "norelatime",
    ]

    /// Takes `-o` options over: each is a long option's name, with its value if it has one.
    fileprivate mutating func take(_ options: [String], into repository: inout RepositoryOptionGroup) throws {
        for option in options.flatMap({ $0.split(separator: ",") }) {
            let words = option.split(separator: "=", maxSplits: 1).map(String.init)
            guard let name = words.first else { continue }
            if Self.passedOver.contains(name) || name.hasPrefix("x-") || name.hasPrefix("comment") { continue }
            func value() throws -> String {
                guard words.count == 2 else { throw ValidationError("-o \(name) needs a value: \(name)=VALUE.") }
                return words[1]
            }
            func number<Number: FixedWidthInteger>(_ type: Number.Type) throws -> Number {
                guard let number = Number(try value()) else { throw ValidationError("-o \(option) is no number.") }
                return number
            }
            switch name {
            // A list of mount(8) is separated by commas, so a list in it is by semicolons.
            case "server": repository.server += try value().split(separator: ";").map(String.init)
            case "external-server": repository.externalServer += try value().split(separator: ";").map(String.init)
            case "key": repository.key += try value().split(separator: ":").map(String.init)
            case "proxy": repository.proxy = try value()
            case "cache": repository.cache = try value()
            case "cache-limit":
                guard let count = ByteCount(try value()) else { throw ValidationError("-o \(option) is no amount.") }
                repository.cacheLimit = count
            case "root-hash": repository.rootHash = try value()
            case "tag": repository.tag = try value()
            case "date": repository.date = try value()
            case "claim-ownership": claimOwnership = true
            case "uid-map": uidMap = try value()
            case "gid-map": gidMap = try value()
            case "world-readable": worldReadable = true
            case "allow-other", "allow_other": allowOther = true
            case "only-me": onlyMe = true
            case "no-permissions": noPermissions = true
            case "magic-xattrs": magicXattrs = try value()
            case "workers": workers = try number(Int.self)
            case "without": without += try value().split(separator: ";").map(String.init)
            case "fd-store": fdStore = true
            case "io": io = try value()
            case "timeout": timeout = try number(Int.self)
            case "max-ttl": maxTTL = try number(Int64.self)
            case "log": log = try value()
            default: throw ValidationError("-o \(name) is no option of cvmfs mount.")
            }
        }
    }
}

/// A path that means the same in another process.
func absolutePath(_ path: String) throws -> String {
    if path.hasPrefix("/") { return path }
    guard let folder = getcwd(nil, 0) else { throw ValidationError("The working directory cannot be told.") }
    defer { free(folder) }
    return String(cString: folder) + "/" + path
}

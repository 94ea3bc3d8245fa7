internal import CFUSE
internal import Glibc

/// How a file system is mounted. Devices and set-id bits never count.
public struct MountOptions: Hashable, Sendable {
    public enum Method: Hashable, Sendable {
        /// mount(2) as root, otherwise the helper.
        case automatic
        /// mount(2); as root, or in a user namespace of one's own.
        case direct
        /// The set-uid program `fusermount3`.
        case helper
    }

    /// What `df` and /proc/mounts show as the source.
    public var source: String
    /// The type is `fuse.` and this.
    public var subtype: String?
    public var isReadOnly: Bool
    /// Other users may see it too; ordinary users need `user_allow_other` in /etc/fuse.conf for that.
    public var allowOther: Bool
    /// The kernel checks permissions by the attributes.
    public var defaultPermissions: Bool
    /// Nothing on it can be executed.
    public var noExecution: Bool
    /// Longest READ, in bytes, if not as negotiated.
    public var maximumRead: Int?
    public var method: Method
    public var device: String
    public var helper: String

    public init(
        source: String = "fuse", subtype: String? = nil, isReadOnly: Bool = true, allowOther: Bool = false,
        defaultPermissions: Bool = true, noExecution: Bool = false, maximumRead: Int? = nil,
        method: Method = .automatic, device: String = "/dev/fuse", helper: String = "fusermount3"
    ) {
        self.source = source
        self.subtype = subtype
        self.isReadOnly = isReadOnly
        self.allowOther = allowOther
        self.defaultPermissions = defaultPermissions
        self.noExecution = noExecution
        self.maximumRead = maximumRead
        self.method = method
        self.device = device
        self.helper = helper
    }

    /// Mounts, and gives the device whose other side is the kernel.
    func mount(at path: String) throws(FUSEError) -> Int32 {
        try validate(path)
        switch method {
        case .direct: return try mountDirectly(at: path)
        case .helper: return try mountWithHelper(at: path)
        case .automatic: return geteuid() == 0 ? try mountDirectly(at: path) : try mountWithHelper(at: path)
        }
    }

    private func validate(_ path: String) throws(FUSEError) {
        for text in [source, subtype ?? "", path, device, helper] where text.utf8.contains(where: { $0 < 0x20 }) {
            throw FUSEError(.invalidConfiguration, "a control character stands in a setting of the mount at \(path)")
        }
        guard !source.isEmpty, subtype != "" else {
            throw FUSEError(.invalidConfiguration, "the mount at \(path) has an empty source or subtype")
        }
        let all = helperOptions.utf8.count
        guard all <= FUSELimits.optionBytes else {
            throw FUSEError(
                .invalidConfiguration,
                "the options of the mount at \(path) have \(all) bytes, and "
                    + "\(FUSELimits.optionBytes) are allowed: use a shorter source")
        }
    }

    private func mountDirectly(at path: String) throws(FUSEError) -> Int32 {
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw FUSEError.systemCall("the mountpoint \(path) cannot be used", -errno, .mountRefused)
        }
        let descriptor = cfuse_open_device(device)
        guard descriptor >= 0 else {
            throw FUSEError.systemCall(
                "\(device) cannot be opened (is the kernel's module fuse loaded?)", descriptor, .deviceUnavailable)
        }
        var flags = UInt(MS_NODEV) | UInt(MS_NOSUID)
        if isReadOnly { flags |= UInt(MS_RDONLY) }
        if noExecution { flags |= UInt(MS_NOEXEC) }
        let type = subtype.map { "fuse.\($0)" } ?? "fuse"
        let data =
            "fd=\(descriptor),rootmode=\(String(status.st_mode & S_IFMT, radix: 8)),user_id=\(geteuid()),group_id=\(getegid())"
            + common.map { ",\($0)" }.joined()
        let result = cfuse_mount(source, path, type, flags, data)
        guard result == 0 else {
            cfuse_close(descriptor)
            throw FUSEError.systemCall("\(path) cannot be mounted on", result, .mountRefused)
        }
        return descriptor
    }

    private func mountWithHelper(at path: String) throws(FUSEError) -> Int32 {
        var message = [CChar](repeating: 0, count: 512)
        let descriptor = cfuse_mount_with_helper(helper, path, helperOptions, &message, message.count)
        guard descriptor >= 0 else {
            let said = String(
                decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            if said.isEmpty {
                throw FUSEError.systemCall(
                    "\(helper) cannot mount on \(path) (is the package fuse3 installed?)", descriptor, .mountRefused)
            }
            throw FUSEError(.mountRefused, "\(path) cannot be mounted on: \(said)")
        }
        return descriptor
    }

    /// Those that kernel and helper understand alike.
    private var common: [String] {
        var all: [String] = []
        if defaultPermissions { all.append("default_permissions") }
        if allowOther { all.append("allow_other") }
        if let maximumRead { all.append("max_read=\(maximumRead)") }
        return all
    }

    private var helperOptions: String {
        func escaped(_ text: String) -> String {
            String(text.flatMap { $0 == "," || $0 == "\\" ? ["\\", $0] : [$0] })
        }
        var all = ["nodev", "nosuid", isReadOnly ? "ro" : "rw", "fsname=\(escaped(source))"]
        if let subtype { all.append("subtype=\(escaped(subtype))") }
        if noExecution { all.append("noexec") }
        return (all + common).joined(separator: ",")
    }
}

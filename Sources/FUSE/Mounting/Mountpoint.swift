internal import CFUSE
internal import Glibc

/// A folder that a FUSE file system is mounted on, or is to be. Nothing here touches the file system itself, which may hang.
public struct Mountpoint: Hashable, Sendable {
    public let path: String

    public init(_ path: String) { self.path = path }

    /// The mount that is on top at the path, if one of FUSE is.
    public var mounted: MountedFileSystem? {
        let absolute = Self.absolute(path)
        // The last one that was mounted there covers the others.
        guard let top = MountedFileSystem.all().last(where: { $0.path == absolute }), top.isFUSE else { return nil }
        return top
    }

    /// Removes the mount, also a dead one; as root with umount2(2), otherwise with the helper.
    /// - Parameters:
    ///   - lazily: also while it is in use.
    ///   - helper: the program, where the user is not root.
    public func unmount(lazily: Bool = false, helper: String = "fusermount3") throws(FUSEError) {
        // umount2(2) is to follow no symlink that somebody puts in the way; one that was given is resolved before.
        let path = Self.absolute(path)
        let result = cfuse_unmount(path, lazily ? 1 : 0)
        if result == 0 { return }
        guard result == -EPERM else {
            throw FUSEError.systemCall("\(path) cannot be unmounted", result, .unmountRefused)
        }
        var message = [CChar](repeating: 0, count: 512)
        let ran = Self.run(helper, lazily ? ["-u", "-z", "--", path] : ["-u", "--", path], &message)
        guard ran != 0 else { return }
        let said = String(decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        throw FUSEError(.unmountRefused, "\(path) cannot be unmounted: \(said.isEmpty ? "\(helper) failed" : said)")
    }

    private static func run(_ program: String, _ arguments: [String], _ message: inout [CChar]) -> Int32 {
        let copies = arguments.map { strdup($0) }
        defer { for copy in copies { free(copy) } }
        let pointers = copies.map { UnsafePointer($0) } + [nil]
        return cfuse_run(program, pointers, &message, message.count)
    }

    /// The path as /proc has it, its folders resolved, and itself only if it is a symlink: it may be a dead mount, and
    /// of a mount nothing can be asked without its server but whether it is a symlink.
    static func absolute(_ path: String) -> String {
        var parts = path.split(separator: "/", omittingEmptySubsequences: true).map(String.init)
        guard let last = parts.popLast() else { return "/" }
        var byte: CChar = 0
        if last == "." || last == ".." || readlink(path, &byte, 1) >= 0 {
            return realpath(path, nil).map { found in
                defer { free(found) }
                return String(cString: found)
            } ?? path
        }
        let folder = (path.hasPrefix("/") ? "/" : "") + parts.joined(separator: "/")
        guard let found = realpath(folder.isEmpty ? "." : folder, nil) else { return path }
        defer { free(found) }
        let parent = String(cString: found)
        return parent == "/" ? "/" + last : parent + "/" + last
    }
}

/// One line of the table of mounts.
public struct MountedFileSystem: Hashable, Sendable {
    public let path: String
    /// `fuse`, `fuse.subtype` and so on.
    public let type: String
    public let source: String
    public let deviceMajor: UInt32
    public let deviceMinor: UInt32

    public var isFUSE: Bool { type == "fuse" || type == "fuseblk" || type.hasPrefix("fuse.") }

    /// The kernel's number of the connection, in /sys/fs/fuse/connections.
    public var connection: UInt32 { deviceMajor << 20 | deviceMinor }

    /// Ends the connection: every call that waits for it fails at once, and the mount is dead. Only its owner, or root,
    /// may. The mount stays until it is unmounted.
    public func abort() throws(FUSEError) {
        let result = cfuse_abort_connection(connection)
        guard result == 0 else {
            throw FUSEError.systemCall("the connection of \(path) cannot be ended", result)
        }
    }

    /// Everything that is mounted in this process's namespace.
    public static func all() -> [MountedFileSystem] {
        guard let file = fopen("/proc/self/mountinfo", "re") else { return [] }
        defer { fclose(file) }
        var line: UnsafeMutablePointer<CChar>?
        var capacity = 0
        defer { free(line) }
        var found: [MountedFileSystem] = []
        while getline(&line, &capacity, file) > 0, let line {
            if let one = MountedFileSystem(mountinfo: String(cString: line)) { found.append(one) }
        }
        return found
    }

    /// A line as proc(5) describes it.
    init?(mountinfo line: String) {
        let fields = line.split(whereSeparator: { $0 == " " || $0 == "\n" })
        guard let dash = fields.firstIndex(of: "-"), dash >= 6, fields.count >= dash + 3 else { return nil }
        let device = fields[2].split(separator: ":")
        guard device.count == 2, let major = UInt32(device[0]), let minor = UInt32(device[1]) else { return nil }
        path = Self.unescaped(fields[4])
        type = String(fields[dash + 1])
        source = Self.unescaped(fields[dash + 2])
        (deviceMajor, deviceMinor) = (major, minor)
    }

    /// Blanks, tabs, newlines and backslashes stand as `\` and three octal digits.
    private static func unescaped(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3, digits.allSatisfy({ (0x30...0x37).contains($0) }) {
                bytes.append(digits.reduce(0) { $0 << 3 | ($1 - 0x30) })
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

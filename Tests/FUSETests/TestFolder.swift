import FUSE
import Glibc
import SystemPackage

/// A temporary folder with a mountpoint and a device of its own, which is gone with it, whatever was mounted.
struct TestFolder: ~Copyable, Sendable {
    let path: String

    init() throws {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(parent)/swift-cvmfs-fuse-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Command.Failure(message: "no temporary folder: errno \(errno)") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        chmod(path, 0o755)
        mkdir(mountpoint, 0o755)
        // That of the system may be for root alone.
        mknod(device, S_IFCHR | 0o666, 10 << 8 | 229)
        chmod(device, 0o666)
    }

    deinit {
        let mount = Mountpoint(mountpoint)
        while let mounted = mount.mounted {
            // First, so that nobody waits for an answer any more.
            try? mounted.abort()
            guard (try? mount.unmount(lazily: true)) != nil else { break }
        }
        let copies = ["rm", "-rf", "--one-file-system", "\(path)"].map { (word: String) in strdup(word) }
        var child: pid_t = 0
        if posix_spawnp(&child, "rm", nil, nil, copies + [nil], environ) == 0 {
            while waitpid(child, nil, 0) < 0, errno == EINTR {}
        }
        for copy in copies { free(copy) }
    }

    var mountpoint: String { path + "/mount" }
    var device: String { path + "/device" }

    /// A name that was not given before.
    func fresh(_ purpose: String) -> String {
        "\(path)/\(purpose)-\(UInt64.random(in: 0 ... .max))"
    }

    var options: MountOptions { MountOptions(source: "memory", subtype: "memory", device: device) }
}

/// Whether this user can mount here; tests of real mounts pass without.
enum MountingHere {
    static let isPossible: Bool = {
        guard geteuid() == 0, let folder = try? TestFolder() else {
            print("Mounts are not tested: only root can.")
            return false
        }
        do {
            let session = try Session.mount(NoFiles(), at: folder.mountpoint, options: folder.options)
            try session.unmount()
            return true
        } catch {
            print("Mounts are not tested: \(error)")
            return false
        }
    }()
}

/// Nothing is there.
struct NoFiles: FileSystem {
    func lookUp(_ name: Span<UInt8>, in parent: NodeID, _ request: Request, _ reply: consuming EntryReply) {
        reply.sendAbsent(validity: .none)
    }
    func attributes(
        of node: NodeID, handle: FileHandle?, _ request: Request, _ reply: consuming AttributesReply
    ) { reply.send(Attributes(inode: 1, mode: 0o40555, links: 2)) }
    func readLink(_ node: NodeID, _ request: Request, _ reply: consuming LinkReply) { reply.fail(.invalidArgument) }
    func read(
        _ node: NodeID, handle: FileHandle, at offset: UInt64, count: Int, _ request: Request,
        _ reply: consuming ReadReply
    ) { reply.fail(.ioError) }
    func readDirectory(
        _ node: NodeID, handle: FileHandle, from offset: UInt64, _ request: Request, _ reply: consuming DirectoryReply
    ) { reply.finish() }
}

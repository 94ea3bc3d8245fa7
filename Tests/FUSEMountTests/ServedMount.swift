import CVMFS
import FUSEMount
import Foundation
import LocalServers
import Testing

/// Whether this machine lets this user mount.
enum MountAbility {
    static let isThere: Bool = {
        if geteuid() == 0 {
            let device = open("/dev/fuse", O_RDWR | O_CLOEXEC)
            guard device >= 0 else { return false }
            close(device)
            // The device may be there and mounting be forbidden, as in a container.
            let able = try? ProbeRun.run("/usr/bin/unshare", ["-m", "/bin/true"]).status
            return able == 0
        }
        return access("/usr/bin/fusermount3", X_OK) == 0 && access("/dev/fuse", R_OK | W_OK) == 0
    }()

    static let comment: Comment = "needs /dev/fuse, and root or fusermount3"
}

/// All tests with mounts, one after the other: each has processes of its own.
@Suite(.serialized, .enabled(if: MountAbility.isThere, MountAbility.comment)) enum MountTests {}

/// A program that was run to its end.
struct ProbeRun {
    let status: Int32
    let output: String
    let errors: String

    var lines: [String] { output.split(separator: "\n").map(String.init) }

    static let folder = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
    static var tool: String { folder.appending(path: "cvmfs").path }
    static var probe: String { folder.appending(path: "MountProbe").path }

    /// Runs a program, on this thread; only such children touch a mount.
    static func run(
        _ program: String, _ arguments: [String], input: [UInt8] = [], environment: [String: String] = [:]
    ) throws -> ProbeRun {
        let running = try RunningProbe(program, arguments, input: input, environment: environment)
        return try running.wait()
    }

    static func tool(_ arguments: String...) throws -> ProbeRun { try run(tool, arguments) }
}

/// A program that runs beside the test.
final class RunningProbe {
    private let process = Process()
    private let folder: TemporaryFolder
    private let input = Pipe()

    init(
        _ program: String, _ arguments: [String], input text: [UInt8]? = nil, environment: [String: String] = [:]
    ) throws {
        let folder = try TemporaryFolder("probe")
        for name in ["out", "err"] { try folder.write([], to: name) }
        process.executableURL = URL(filePath: program)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardOutput = FileHandle(forWritingAtPath: folder.path + "/out")
        process.standardError = FileHandle(forWritingAtPath: folder.path + "/err")
        if let text {
            try folder.write(text, to: "in")
            process.standardInput = FileHandle(forReadingAtPath: folder.path + "/in")
        } else {
            process.standardInput = input
        }
        self.folder = folder
        try process.run()
    }

    deinit {
        guard process.isRunning else { return }
        kill(process.processIdentifier, SIGKILL)
        // Who waits for a mount that does not answer cannot even be killed.
        for _ in 0..<1000 where process.isRunning { usleep(1000) }
    }

    var isRunning: Bool { process.isRunning }

    func interrupt() { send(SIGKILL) }

    func send(_ signal: Int32) { kill(process.processIdentifier, signal) }

    /// What it has printed so far.
    var output: String { String(decoding: readFile(folder.path + "/out") ?? [], as: UTF8.self) }

    func tell(_ line: String) throws { try input.fileHandleForWriting.write(contentsOf: Data((line + "\n").utf8)) }

    /// Waits for its end; what does not end within some minutes, far beyond what any of them takes, is a failure.
    func wait() throws -> ProbeRun {
        for _ in 0..<240_000 where process.isRunning { usleep(1000) }
        guard !process.isRunning else {
            throw MountTestError("\(process.executableURL?.path ?? "a program") does not end: \(output)")
        }
        process.waitUntilExit()
        return ProbeRun(
            status: process.terminationStatus, output: output,
            errors: String(decoding: readFile(folder.path + "/err") ?? [], as: UTF8.self))
    }
}

/// What a test could not do.
struct MountTestError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// Whether a process has ended; one that its parent has not asked about yet has.
func isGone(_ process: pid_t) -> Bool {
    guard kill(process, 0) == 0 else { return true }
    guard let line = readFile("/proc/\(process)/stat") else { return true }
    // The state stands behind the name, which may have blanks and parentheses.
    let state = String(decoding: line, as: UTF8.self).split(separator: ")").last?.split(separator: " ").first
    return state == "Z" || state == "X"
}

/// Waits until something holds that another process brings about; a minute at most.
func eventually(_ condition: () throws -> Bool) rethrows -> Bool {
    for _ in 0..<6000 {
        if try condition() { return true }
        usleep(10_000)
    }
    return false
}

/// A mount by the program `cvmfs` in processes of its own, which are gone with this value, or with this process.
struct ServedMount: ~Copyable {
    let mountpoint: String
    private let folder: TemporaryFolder
    private var keeper: SupervisedProcess?
    /// The keeper's process.
    let keeperProcess: pid_t

    /// - Parameters:
    ///   - repository: URL of the repository, or its name with `--server` among the options.
    ///   - options: of `cvmfs mount`.
    init(
        _ repository: String, _ options: [String], environment: [String: String] = [:], as user: [String] = []
    ) throws {
        let folder = try TemporaryFolder("mount", isOpen: true)
        let mountpoint = folder.path + "/mountpoint"
        guard mkdir(mountpoint, 0o777) == 0, chmod(mountpoint, 0o777) == 0 else {
            throw MountTestError("\(mountpoint) cannot be made")
        }
        let words = user + [ProbeRun.tool, "mount", repository, mountpoint] + options
        let keeper = try SupervisedProcess(
            words[0], Array(words.dropFirst()), folder: folder.path,
            environment: environment.merging(["HOME": folder.path, "TMPDIR": folder.path]) { first, _ in first })
        let log = folder.path + "/output.log"
        let isMounted = eventually {
            let text = String(decoding: readFile(log) ?? [], as: UTF8.self)
            return text.contains("is mounted at") || isGone(keeper.pid)
        }
        let text = String(decoding: readFile(log) ?? [], as: UTF8.self)
        guard isMounted, text.contains("is mounted at") else {
            _ = try? ProbeRun.tool("umount", "--lazy", mountpoint)
            throw MountTestError("the mount does not begin: \(text)")
        }
        self.folder = folder
        self.mountpoint = mountpoint
        keeperProcess = keeper.pid
        self.keeper = consume keeper
    }

    deinit {
        // Whatever a test has done to it, nothing stays.
        _ = try? ProbeRun.tool("umount", "--lazy", mountpoint)
        umount2(mountpoint, Int32(MNT_DETACH))
    }

    /// What the keeper has said.
    var log: String { String(decoding: readFile(folder.path + "/output.log") ?? [], as: UTF8.self) }

    func path(_ name: String) -> String { mountpoint + name }

    func status(refresh: Bool = false) throws -> MountStatus {
        let run = try ProbeRun.run(
            ProbeRun.tool, ["status", mountpoint, "--json"] + (refresh ? ["--refresh"] : []))
        guard run.status == 0 else { throw MountTestError("no status: \(run.errors)") }
        return try JSONDecoder().decode(MountStatus.self, from: Data(run.output.utf8))
    }

    func probe(_ command: String, _ arguments: [String] = [], input: [UInt8] = []) throws -> ProbeRun {
        try ProbeRun.run(ProbeRun.probe, [command, mountpoint] + arguments, input: input)
    }

    /// All entries below, or what went wrong.
    func entries() throws -> [ProbedEntry] {
        let run = try probe("list")
        guard run.status == 0 else { throw MountTestError("the mount cannot be read: \(run.output.suffix(2000))") }
        return try run.lines.map(ProbedEntry.init)
    }

    /// Ends the keeper as Ctrl-C does.
    mutating func stop() { keeper = nil }
}

/// One line of the probe.
struct ProbedEntry {
    let path: [UInt8]
    let mode: UInt32
    let uid: UInt32
    let gid: UInt32
    let size: Int64
    let mtime: Int64
    let mtimeNanoseconds: Int32
    let links: UInt32
    let inode: UInt64
    let device: [Int]
    let target: [UInt8]
    let sha256: String?
    let xattrs: [String: [UInt8]]

    init(_ line: String) throws {
        let words = line.split(separator: " ")
        guard words.count == 14, let mode = UInt32(words[1], radix: 8), let uid = UInt32(words[2]),
            let gid = UInt32(words[3]), let size = Int64(words[4]), let mtime = Int64(words[5]),
            let nanoseconds = Int32(words[6]), let links = UInt32(words[7]), let inode = UInt64(words[8]),
            let major = Int(words[9]), let minor = Int(words[10])
        else { throw MountTestError("the probe printed \(line)") }
        path = Self.bytes(words[0])
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.size = size
        self.mtime = mtime
        mtimeNanoseconds = nanoseconds
        self.links = links
        self.inode = inode
        device = [major, minor]
        target = Self.bytes(words[11])
        sha256 = words[12] == "-" ? nil : String(words[12])
        var xattrs: [String: [UInt8]] = [:]
        if words[13] != "-" {
            for pair in words[13].split(separator: ",") {
                let parts = pair.split(separator: "=")
                xattrs[String(decoding: Self.bytes(parts[0]), as: UTF8.self)] = Self.bytes(parts[1])
            }
        }
        self.xattrs = xattrs
    }

    static func bytes(_ text: Substring) -> [UInt8] {
        if text == "-" { return [] }
        let digits = Array(text.utf8)
        return stride(from: 0, to: digits.count - 1, by: 2).compactMap { index in
            UInt8(String(decoding: digits[index...(index + 1)], as: UTF8.self), radix: 16)
        }
    }

    static func hex(_ bytes: [UInt8]) -> String {
        bytes.isEmpty ? "-" : bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}

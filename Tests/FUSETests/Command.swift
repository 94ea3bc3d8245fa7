import Dispatch
import Glibc
import Synchronization
import Testing

/// A shell script in a process of its own: whoever uses a mount must not be its server, which would wait for itself.
///
/// It is gone with this object, also when a test fails before it has waited for its end.
final class Command: Sendable {
    struct Failure: Error { let message: String }

    /// Far beyond what any script here takes, in milliseconds.
    private static let patience = 240_000

    let process: pid_t
    private let log: String
    private let isReaped = Atomic(false)

    /// - Parameters:
    ///   - descriptors: are 10, 11 and so on in the process.
    init(
        _ program: String, _ arguments: [String], in folder: borrowing TestFolder, descriptors: [Int32] = []
    ) throws {
        log = folder.fresh("log")
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        // From far above all targets, so that no target overwrites a later source.
        let sources = descriptors.map { fcntl($0, F_DUPFD_CLOEXEC, 100) }
        defer { for source in sources { close(source) } }
        for (index, source) in sources.enumerated() {
            posix_spawn_file_actions_adddup2(&actions, source, Int32(10 + index))
        }
        // Threads of Swift's pool block most signals, and a child would inherit that.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        // What runs in the background of a script ignores SIGINT, and would a child of it, too.
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigdefault(&attributes, &all)
        // A group of its own, so that all of a script can be ended.
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
        let copies = ([program] + arguments).map { strdup($0) }
        defer { for copy in copies { free(copy) } }
        var child: pid_t = 0
        let error = posix_spawnp(&child, program, &actions, &attributes, copies + [nil], environ)
        guard error == 0 else { throw Failure(message: "\(program) cannot be started: errno \(error)") }
        process = child
    }

    /// A script of the shell, with the folder's mountpoint as `$M`.
    convenience init(_ script: String, in folder: borrowing TestFolder) throws {
        try self.init("/bin/sh", ["-c", "M='\(folder.mountpoint)'; \(script)"], in: folder)
    }

    /// Runs a script to its end, and gives what it printed.
    static func run(_ script: String, in folder: borrowing TestFolder) async throws -> (status: Int32, output: String) {
        try await Command(script, in: folder).ended()
    }

    func signal(_ number: Int32) { kill(-process, number) }

    /// What it has printed by now.
    var output: String { Files.text(log) }

    /// How it ended, as a shell has it: the exit code, or 128 and the signal. What does not end is a failure, and killed.
    func ended(sourceLocation: SourceLocation = #_sourceLocation) async -> (status: Int32, output: String) {
        let status = await Blocking.run { [self] in reaped(within: Self.patience) }
        guard let status else {
            Issue.record("a program does not end; it has printed: \(output)", sourceLocation: sourceLocation)
            return (-1, output)
        }
        return (status & 0x7f == 0 ? status >> 8 : 128 + status & 0x7f, output)
    }

    deinit {
        guard !isReaped.load(ordering: .acquiring) else { return }
        signal(SIGKILL)
        // Who waits for a mount that nobody serves cannot even be killed.
        _ = reaped(within: 1000)
    }

    private func reaped(within milliseconds: Int) -> Int32? {
        for _ in 0..<milliseconds {
            var status: Int32 = 0
            let found = waitpid(process, &status, WNOHANG)
            if found == process || found < 0 && errno == ECHILD {
                isReaped.store(true, ordering: .releasing)
                return status
            }
            usleep(1000)
        }
        return nil
    }
}

/// Calls that block, on a thread that Swift's pool does not need.
enum Blocking {
    static func run<Result: Sendable>(_ body: @escaping @Sendable () -> Result) async -> Result {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async { continuation.resume(returning: body()) }
        }
    }

    static func run<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
        try await run { Swift.Result { try body() } }.get()
    }
}

enum Files {
    static func text(_ path: String) -> String {
        guard let file = fopen(path, "re") else { return "" }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = fread(&piece, 1, piece.count, file), count > 0 { bytes += piece[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func write(_ bytes: [UInt8], to path: String) {
        guard let file = fopen(path, "we") else { return }
        fwrite(bytes, 1, bytes.count, file)
        fclose(file)
    }
}

/// What the kernel keeps it may drop at any time, when memory is short or somebody has it do so: then once more.
func oneOf(_ attempts: Int, _ isKept: () async throws -> Bool) async throws -> Bool {
    for _ in 0..<attempts where try await isKept() { return true }
    return false
}

/// Waits until something holds that other threads or processes bring about; what never comes is a failure.
func eventually(
    sourceLocation: SourceLocation = #_sourceLocation, _ condition: @Sendable () -> Bool
) async {
    let end = ContinuousClock.now + .seconds(120)
    while !condition(), !Task.isCancelled {
        guard ContinuousClock.now < end else {
            Issue.record("what was waited for has not come about", sourceLocation: sourceLocation)
            return
        }
        await Blocking.run { _ = usleep(1000) }
    }
}

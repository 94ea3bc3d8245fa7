package import Glibc

/// A child process that ends when it is told to, and also when this process dies in whatever way.
///
/// A shell stands between: it starts the program, reports its process id, and waits for a line or the end of its
/// standard input, whose other end is ours alone.
package struct SupervisedProcess: ~Copyable, Sendable {
    /// The program's process id, for signals.
    package let pid: pid_t
    private let shell: pid_t
    private let control: Int32

    private static let script = """
        folder=$1; signal=$2; shift 2
        "$@" >"$folder/output.log" 2>&1 &
        child=$!
        exec 3>&- 4>&- 5>&- 6>&-
        echo $child
        read -r order
        kill -$signal $child 2>/dev/null
        wait $child
        [ "$order" = keep ] || rm -rf "$folder"
        """

    /// - Parameters:
    ///   - folder: its output goes to `output.log` there; removed if this process dies without stopping the child.
    ///   - signal: what ends it.
    ///   - descriptors: open in the child from number 3 on, in this order.
    package init(
        _ program: String, _ arguments: [String], folder: String, environment: [String: String] = [:],
        signal: String = "TERM", descriptors: [Int32] = []
    ) throws {
        let input = try Self.pipe()
        let output = try Self.pipe()
        defer { close(input.read) }
        defer { close(output.read) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input.read, 0)
        posix_spawn_file_actions_adddup2(&actions, output.write, 1)
        // Sources far above all targets, so that no target overwrites a later source.
        let sources = descriptors.map { fcntl($0, F_DUPFD_CLOEXEC, 500) }
        defer { for source in sources { close(source) } }
        for (index, source) in sources.enumerated() {
            posix_spawn_file_actions_adddup2(&actions, source, Int32(3 + index))
        }
        var attributes = try SpawnAttributes()
        var variables = ["PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
        variables.merge(environment) { $1 }

        var child: pid_t = 0
        let words = ["/bin/sh", "-c", Self.script, "sh", folder, signal, program] + arguments
        let error = withCStrings(words) { words in
            withCStrings(variables.map { "\($0)=\($1)" }) { variables in
                posix_spawn(&child, "/bin/sh", &actions, &attributes.value, words, variables)
            }
        }
        close(output.write)
        guard error == 0 else {
            close(input.write)
            throw LocalServerError("/bin/sh cannot be started: errno \(error)")
        }
        shell = child
        control = input.write
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while read(output.read, &byte, 1) == 1, byte != UInt8(ascii: "\n") { line.append(byte) }
        pid = pid_t(String(decoding: line, as: UTF8.self)) ?? 0
    }

    deinit {
        _ = send(control, "keep\n", 5, Int32(MSG_NOSIGNAL))
        close(control)
        var status: Int32 = 0
        while waitpid(shell, &status, 0) == -1, errno == EINTR {}
    }

    // Not pipe(): what is not close-on-exec from its birth leaks into children that other threads start.
    private static func pipe() throws -> (read: Int32, write: Int32) {
        var ends: [Int32] = [0, 0]
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &ends) == 0 else {
            throw LocalServerError("no socket pair can be made: errno \(errno)")
        }
        return (ends[0], ends[1])
    }
}

import Glibc

/// A program that was run to its end.
struct Child {
    let output: String
    let seconds: Double
    /// Until it had printed something; until its end when it printed nothing.
    let secondsToOutput: Double
    /// The most memory it had at once, in bytes.
    let peakMemory: Int64

    /// - Parameter discardsOutput: sends it to /dev/null.
    static func run(_ program: String, _ arguments: [String], discardsOutput: Bool = false) throws -> Child {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw BenchmarkError("no pipe: errno \(errno)") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if discardsOutput {
            posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        } else {
            posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        }
        var words = ([program] + arguments).map { strdup($0) }
        words.append(nil)
        defer { for word in words { free(word) } }
        let watch = Stopwatch()
        var pid: pid_t = 0
        let error = posix_spawn(&pid, program, &actions, nil, words, environ)
        close(ends[1])
        guard error == 0 else {
            close(ends[0])
            throw BenchmarkError("cannot start \(program): errno \(error)")
        }
        var output: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4096)
        var secondsToOutput: Double?
        while true {
            let count = read(ends[0], &piece, piece.count)
            if secondsToOutput == nil { secondsToOutput = watch.seconds }
            if count <= 0 { break }
            output += piece[..<count]
        }
        close(ends[0])
        var status: Int32 = 0
        var usage = rusage()
        while wait4(pid, &status, 0, &usage) < 0, errno == EINTR {}
        guard status == 0 else {
            throw BenchmarkError("\(program) \(arguments.joined(separator: " ")) failed (status \(status))")
        }
        // The kernel's figure (VmHWM at the end) starts with what this small process had when the child was born.
        return Child(
            output: String(decoding: output, as: UTF8.self), seconds: watch.seconds,
            secondsToOutput: secondsToOutput ?? watch.seconds,
            peakMemory: Int64(usage.ru_maxrss) * 1024)
    }

    /// Runs this program again, for one measurement in a process of its own: the numbers that it prints.
    static func measure(_ arguments: [String]) throws -> [Double] {
        let child = try run("/proc/self/exe", arguments)
        return child.output.split(whereSeparator: { $0 == " " || $0 == "\n" }).compactMap { Double($0) }
    }
}

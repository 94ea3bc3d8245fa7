internal import Glibc

/// The signals that wait for a thread of another process, and what they would do.
///
/// The kernel interrupts a request for whatever signal comes, also for one that a call on a disk would not be ended by.
struct WaitingSignals: Equatable {
    /// Bit N - 1 for signal N.
    var waiting: UInt64 = 0
    var caught: UInt64 = 0

    /// What a process is told for its information, caught or not: a child ended, data is urgent, a window has
    /// another size, it goes on.
    private static let notices = bits([SIGCHLD, SIGURG, SIGWINCH, SIGCONT])
    /// What stops a process that does not catch it: it stops when it has its answer.
    private static let stops = bits([SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU])

    /// Whether one of them ends the program, or is one by which it ends its own waiting.
    var endsCall: Bool { waiting & ~Self.notices & ~(Self.stops & ~caught) != 0 }

    private static func bits(_ signals: [Int32]) -> UInt64 {
        signals.reduce(0) { $0 | 1 << UInt64($1 - 1) }
    }

    init(waiting: UInt64 = 0, caught: UInt64 = 0) {
        self.waiting = waiting
        self.caught = caught
    }

    /// - Parameter status: as in /proc/PID/status; `nil` when it says nothing of signals.
    init?(status: String) {
        var masks: [Substring: UInt64] = [:]
        for line in status.split(separator: "\n") where line.hasPrefix("Sig") || line.hasPrefix("ShdPnd") {
            let words = line.split(whereSeparator: { $0 == ":" || $0 == "\t" || $0 == " " })
            if words.count == 2, let mask = UInt64(words[1], radix: 16) { masks[words[0]] = mask }
        }
        guard let own = masks["SigPnd"], let shared = masks["ShdPnd"], let blocked = masks["SigBlk"],
            let ignored = masks["SigIgn"], let caught = masks["SigCgt"]
        else { return nil }
        waiting = (own | shared) & ~blocked & ~ignored
        self.caught = caught
    }

    /// - Parameter thread: its number as this process sees it; `nil` when nothing can be told of it.
    init?(ofThread thread: UInt32) {
        // 0 is a process that this one's namespace does not have.
        guard thread != 0, let file = fopen("/proc/\(thread)/status", "re") else { return nil }
        defer { fclose(file) }
        var text = ""
        var line: UnsafeMutablePointer<CChar>?
        var capacity = 0
        defer { free(line) }
        while getline(&line, &capacity, file) > 0, let line {
            // The list of its groups may be long.
            if line[0] == CChar(bitPattern: UInt8(ascii: "S")) { text += String(cString: line) }
        }
        self.init(status: text)
    }
}

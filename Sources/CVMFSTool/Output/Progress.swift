import SystemPackage

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Shows how long work goes on: a line that redraws itself on a terminal, nothing where standard error is a file.
struct Progress: Sendable {
    static let isShown = isatty(2) == 1

    /// - Parameter fraction: from 0 to 1, where the end is known.
    static func show(_ text: String, fraction: Double? = nil) {
        guard isShown else { return }
        var bar = ""
        if let fraction {
            let filled = Int((min(max(fraction, 0), 1) * 24).rounded())
            bar = "[" + String(repeating: "#", count: filled) + String(repeating: ".", count: 24 - filled) + "] "
        }
        write("\r\u{1B}[K" + bar + text)
    }

    /// Takes the line away.
    static func clear() {
        if isShown { write("\r\u{1B}[K") }
    }

    /// A line that stays, on standard error.
    static func say(_ text: String) {
        clear()
        write(text + "\n")
    }

    private static func write(_ text: String) {
        // There is nobody to tell that standard error is gone.
        _ = try? FileDescriptor.standardError.writeAll(Array(text.utf8))
    }
}

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Names as they may go to a terminal: a repository's names are anything, and a terminal obeys some of it.
enum TerminalText {
    private static let isTerminal = isatty(1) == 1

    /// A name for standard output: as it is for programs, and with `?` for each control character on a terminal.
    static func name(_ bytes: [UInt8]) -> [UInt8] {
        isTerminal ? bytes.map { isControl($0) ? UInt8(ascii: "?") : $0 } : bytes
    }

    /// Text in a line of a report: control characters as `\x0A`, so that a line stays one.
    static func escaped(_ text: String) -> String {
        guard text.utf8.contains(where: isControl) else { return text }
        return text.unicodeScalars.map { scalar in
            guard scalar.isASCII, isControl(UInt8(scalar.value)) else { return String(scalar) }
            let digits = String(scalar.value, radix: 16, uppercase: true)
            return "\\x" + (digits.count == 1 ? "0" : "") + digits
        }.joined()
    }

    private static func isControl(_ byte: UInt8) -> Bool { byte < 0x20 || byte == 0x7F }
}

/// A number and what it counts: `1 object`, `2 objects`.
func counted(_ number: some BinaryInteger, _ noun: String) -> String {
    "\(number) \(noun)\(number == 1 ? "" : "s")"
}

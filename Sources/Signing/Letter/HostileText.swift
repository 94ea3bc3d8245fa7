/// ASCII as these formats use it.
enum ASCII {
    static let newline = UInt8(ascii: "\n")
    static let dash = UInt8(ascii: "-")
    static let blank = UInt8(ascii: " ")
    static let tab = UInt8(ascii: "\t")
    static let hash = UInt8(ascii: "#")
    static let colon = UInt8(ascii: ":")

    static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

    static func lowercased(_ byte: UInt8) -> UInt8 {
        byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
    }
}

/// The lines of a text, without their newlines; what follows the last newline is a line too unless it is empty.
func textLines(_ text: ArraySlice<UInt8>) -> [[UInt8]] {
    var lines = text.split(separator: ASCII.newline, omittingEmptySubsequences: false).map(Array.init)
    if lines.last?.isEmpty == true { lines.removeLast() }
    return lines
}

/// A number in decimal digits and nothing else: no sign, no blanks, at least one digit, within `Number`'s range.
func decimal<Number: FixedWidthInteger>(_ text: some Collection<UInt8>) -> Number? {
    guard !text.isEmpty, text.allSatisfy(ASCII.isDigit) else { return nil }
    return Number(String(decoding: text, as: UTF8.self))
}

/// Bytes in a message: hostile text is cut short and stripped of what a terminal would obey.
func quoted(_ bytes: some Collection<UInt8>) -> String {
    let limit = 80
    let shown = Array(bytes.prefix(limit)).map { (0x20..<0x7F).contains($0) ? $0 : UInt8(ascii: "?") }
    return "'\(String(decoding: shown, as: UTF8.self))\(bytes.count > limit ? "..." : "")'"
}

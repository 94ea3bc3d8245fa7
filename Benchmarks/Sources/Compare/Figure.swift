/// A line of the table: what we need, what the limit or peer of the same run needs, and how far apart they may be.
struct Figure {
    enum Target {
        case atMost(Double)
        case atLeast(Double)
        /// Shown, without a target.
        case none
    }

    let name: String
    let ours: String
    let peer: String
    let ratio: Double
    let target: Target

    var isMet: Bool {
        switch target {
        case .atMost(let bound): ratio <= bound
        case .atLeast(let bound): ratio >= bound
        case .none: true
        }
    }

    private var verdict: String {
        switch target {
        case .none: ""
        default: isMet ? "ok" : "MISSED"
        }
    }

    private var targetText: String {
        switch target {
        case .atMost(let bound): "<= \(decimals(bound))"
        case .atLeast(let bound): ">= \(decimals(bound))"
        case .none: ""
        }
    }

    static func table(_ figures: [Figure]) -> String {
        let rows =
            [["Figure", "Ours", "Limit or peer", "Ratio", "Target", ""]]
            + figures.map { [$0.name, $0.ours, $0.peer, decimals($0.ratio), $0.targetText, $0.verdict] }
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(separator: "  ")
        }.joined(separator: "\n")
    }
}

/// Two decimals, or three significant digits of a small number.
func decimals(_ value: Double) -> String {
    guard value.isFinite else { return "-" }
    let scale: Double = abs(value) < 0.1 ? 10_000 : 100
    let scaled = (value * scale).rounded()
    guard abs(scaled) < 1e15 else { return "\(value)" }
    var text = "\(scaled / scale)"
    if let dot = text.firstIndex(of: ".") {
        while text.distance(from: dot, to: text.endIndex) < 3 { text += "0" }
    }
    return text
}

/// `1.25 us`, `30.10 ms`, `2.00 s`.
func time(_ seconds: Double) -> String {
    if abs(seconds) < 1e-6 { return "\(decimals(seconds * 1e9)) ns" }
    if abs(seconds) < 1e-3 { return "\(decimals(seconds * 1e6)) us" }
    if abs(seconds) < 1 { return "\(decimals(seconds * 1e3)) ms" }
    return "\(decimals(seconds)) s"
}

func mebibytes(_ bytes: Int64) -> String { "\(decimals(Double(bytes) / 1_048_576)) MiB" }

internal import FoundationEssentials
internal import Signing

/// What a server tells of its repository's upkeep: one JSON object of texts. Source: format 2.5.
struct StatusFile {
    private let storage: LocalStorage

    init(_ storage: LocalStorage) { self.storage = storage }

    /// Sets one of the times, and leaves all else.
    func set(_ key: String, to time: UnixTime) throws { try set(key, to: Self.text(time)) }

    func set(_ key: String, to value: String) throws {
        var values: [String: String] = [:]
        if let bytes = try storage.read(RootFile.status, limit: PublishingLimits.settingsBytes) {
            values = (try? JSONDecoder().decode([String: String].self, from: Data(bytes))) ?? [:]
        }
        values[key] = value
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
        try storage.replace(RootFile.status, with: Array(encoder.encode(values)))
    }

    /// As `date --utc` writes it: `Mon Nov 30 15:52:32 UTC 2026`.
    static func text(_ time: UnixTime) -> String {
        // 1970 began with a Thursday.
        let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let day = Int((time.seconds / 86400) % 7)
        // 2026-11-30T15:52:32Z
        let fields = time.description.dropLast().split { "-T:".contains($0) }.map(String.init)
        guard fields.count == 6, let month = Int(fields[1]), months.indices.contains(month - 1),
            days.indices.contains(day)
        else { return time.description }
        let dayOfMonth = fields[2].hasPrefix("0") ? " " + fields[2].dropFirst() : fields[2]
        return "\(days[day]) \(months[month - 1]) \(dayOfMonth) \(fields[3]):\(fields[4]):\(fields[5]) UTC \(fields[0])"
    }
}

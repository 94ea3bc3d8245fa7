/// A time in text, RFC 3339 in UTC, as seconds since 1970.
struct Timestamp {
    let seconds: Int64

    init(_ seconds: Int64) { self.seconds = seconds }

    /// Reads `2026-11-24T10:00:00Z`, or `2026-11-24` for the last second of that day.
    init?(_ text: String) {
        let fields = text.split(whereSeparator: { "-T:Z".contains($0) }).map { Int64($0) ?? -1 }
        let isDay = text.utf8.count == 10 && fields.count == 3
        guard isDay || (text.utf8.count == 20 && text.hasSuffix("Z") && fields.count == 6),
            fields.allSatisfy({ $0 >= 0 }), (1...12).contains(fields[1]), (1...31).contains(fields[2])
        else { return nil }
        let days = Self.days(year: fields[0], month: fields[1], day: fields[2])
        if isDay {
            seconds = (days + 1) * 86_400 - 1
        } else {
            guard fields[3] < 24, fields[4] < 60, fields[5] < 61 else { return nil }
            seconds = days * 86_400 + fields[3] * 3600 + fields[4] * 60 + fields[5]
        }
    }

    /// RFC 3339, in UTC.
    var text: String {
        let day = seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400
        let second = seconds - day * 86_400
        // Civil date from days, by Hinnant's algorithm: eras of 400 years that begin in March.
        let z = day + 719_468
        let era = (z >= 0 ? z : z - 146_096) / 146_097
        let dayOfEra = z - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        let date = "\(Self.pad(year, 4))-\(Self.pad(month, 2))-\(Self.pad(dayOfYear - (153 * shifted + 2) / 5 + 1, 2))"
        return "\(date)T\(Self.pad(second / 3600, 2)):\(Self.pad(second / 60 % 60, 2)):\(Self.pad(second % 60, 2))Z"
    }

    private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let year = month <= 2 ? year - 1 : year
        let era = year / 400
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func pad(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}

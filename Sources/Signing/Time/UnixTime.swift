/// A moment in whole seconds since 1970-01-01T00:00:00Z, without leap seconds, as manifests and whitelists have it.
///
/// `Signing` has no clock: who verifies says what time it is.
public struct UnixTime: Sendable, Hashable, Comparable {
    public let seconds: Int64

    /// - Parameter seconds: since 1970 in UTC; negative before.
    public init(_ seconds: Int64) { self.seconds = seconds }

    public static func < (left: Self, right: Self) -> Bool { left.seconds < right.seconds }
}

extension UnixTime: CustomStringConvertible, LosslessStringConvertible {
    /// Reads RFC 3339 in UTC, `2026-11-24T07:16:48Z`; a date alone, `2026-11-24`, is its last second.
    public init?(_ text: String) {
        let fields = text.split(whereSeparator: { "-T:Z".contains($0) }).map { Int64($0) ?? -1 }
        if text.utf8.count == 10, fields.count == 3 {
            let date = CivilDate(year: fields[0], month: fields[1], day: fields[2], hour: 23, minute: 59, second: 59)
            guard let time = date.time, time.description.hasPrefix(text) else { return nil }
            self = time
        } else {
            guard fields.count == 6,
                let time = CivilDate(
                    year: fields[0], month: fields[1], day: fields[2], hour: fields[3], minute: fields[4],
                    second: fields[5]
                ).time, time.description == text
            else { return nil }
            self = time
        }
    }

    /// RFC 3339 in UTC: `2026-11-24T07:16:48Z`.
    public var description: String {
        let date = CivilDate(self)
        return "\(date.year.padded(4))-\(date.month.padded(2))-\(date.day.padded(2))"
            + "T\(date.hour.padded(2)):\(date.minute.padded(2)):\(date.second.padded(2))Z"
    }
}

/// A date of the Gregorian calendar and a time of day, in UTC.
struct CivilDate: Hashable {
    var year: Int64
    var month: Int64
    var day: Int64
    var hour: Int64
    var minute: Int64 = 0
    var second: Int64 = 0

    /// Days before the month in a year that begins with March, so that the leap day is the last one.
    private static func daysBefore(_ month: Int64) -> Int64 { (153 * ((month + 9) % 12) + 2) / 5 }

    private static let daysIn400Years: Int64 = 146_097
    /// From 1 March of the year 0 to 1 January 1970.
    private static let daysToEpoch: Int64 = 719_468

    init(year: Int64, month: Int64, day: Int64, hour: Int64, minute: Int64 = 0, second: Int64 = 0) {
        self.year = year
        self.month = month
        self.day = day
        self.hour = hour
        self.minute = minute
        self.second = second
    }

    init(_ time: UnixTime) {
        let (days, secondOfDay) = time.seconds.floorDivided(by: 86400)
        let (era, dayOfEra) = (days + Self.daysToEpoch).floorDivided(by: Self.daysIn400Years)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        month = ((5 * dayOfYear + 2) / 153 + 2) % 12 + 1
        day = dayOfYear - Self.daysBefore(month) + 1
        year = era * 400 + yearOfEra + (month <= 2 ? 1 : 0)
        hour = secondOfDay / 3600
        minute = secondOfDay / 60 % 60
        second = secondOfDay % 60
    }

    /// The moment, or `nil` when the calendar has no such date. Years outside 0 to 9999 count as none.
    var time: UnixTime? {
        guard (0...9999).contains(year), (1...12).contains(month), (1...31).contains(day), (0...23).contains(hour),
            (0...59).contains(minute), (0...59).contains(second)
        else { return nil }
        let marchYear = month <= 2 ? year - 1 : year
        let (era, yearOfEra) = marchYear.floorDivided(by: 400)
        let dayOfYear = Self.daysBefore(month) + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        let days = era * Self.daysIn400Years + dayOfEra - Self.daysToEpoch
        let time = UnixTime(days * 86400 + hour * 3600 + minute * 60 + second)
        // A 31 April has come out as 1 May.
        return CivilDate(time) == self ? time : nil
    }
}

extension Int64 {
    fileprivate func floorDivided(by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }

    /// In decimal with zeros before it up to `width` digits.
    func padded(_ width: Int) -> String {
        let digits = String(magnitude)
        return (self < 0 ? "-" : "") + String(repeating: "0", count: Swift.max(0, width - digits.count)) + digits
    }
}

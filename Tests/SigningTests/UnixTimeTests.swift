import Foundation
import Testing

@testable import Signing

@Suite("Time")
struct UnixTimeTests {
    @Test(
        "is written as RFC 3339",
        arguments: [
            (0, "1970-01-01T00:00:00Z"), (-1, "1969-12-31T23:59:59Z"), (951_782_400, "2000-02-29T00:00:00Z"),
            (1_448_017_199, "2015-11-20T10:59:59Z"), (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"), (-62_167_219_200, "0000-01-01T00:00:00Z"),
            (253_402_300_800, "10000-01-01T00:00:00Z"), (-62_167_219_201, "-0001-12-31T23:59:59Z"),
        ] as [(Int64, String)])
    func text(seconds: Int64, text: String) {
        #expect(UnixTime(seconds).description == text)
    }

    @Test("survives both ends of its range")
    func extremes() {
        for seconds: Int64 in [.min, .min + 1, .max - 1, .max] { #expect(!UnixTime(seconds).description.isEmpty) }
    }

    @Test("agrees with Foundation's calendar on every day of four centuries and more")
    func everyDay() throws {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = try #require(TimeZone(secondsFromGMT: 0))
        // Every day is counted up here by the rule of leap years; Foundation is asked once a year.
        var expected = CivilDate(year: 1599, month: 12, day: 31, hour: 0)
        let first: Int64 = -11_676_096_000  // 1600-01-01
        for day in 0..<(146_097 + 2000) {
            let isLeap = expected.year % 4 == 0 && (expected.year % 100 != 0 || expected.year % 400 == 0)
            let lengths: [Int64] = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
            expected.day += 1
            if expected.day > lengths[Int(expected.month) - 1] {
                (expected.month, expected.day) = (expected.month + 1, 1)
            }
            if expected.month > 12 { (expected.year, expected.month) = (expected.year + 1, 1) }
            let time = UnixTime(first + Int64(day) * 86400)
            let date = CivilDate(time)
            guard date == expected, date.time == time else {
                Issue.record("\(time) should be \(expected)")
                return
            }
            if date.month == 1 && date.day == 1 {
                let components = DateComponents(year: Int(date.year), month: 1, day: 1)
                let foundations = try #require(calendar.date(from: components))
                #expect(Int64(foundations.timeIntervalSince1970) == time.seconds)
            }
        }
    }

    @Test("has no date that the calendar has not")
    func impossible() {
        let dates: [(Int64, Int64, Int64, Int64, Int64, Int64)] = [
            (2026, 0, 1, 0, 0, 0), (2026, 13, 1, 0, 0, 0), (2026, 1, 0, 0, 0, 0), (2026, 1, 32, 0, 0, 0),
            (2026, 2, 29, 0, 0, 0), (2100, 2, 29, 0, 0, 0), (2026, 4, 31, 0, 0, 0), (2026, 1, 1, 24, 0, 0),
            (2026, 1, 1, 0, 60, 0), (2026, 1, 1, 0, 0, 60), (-1, 1, 1, 0, 0, 0), (10000, 1, 1, 0, 0, 0),
        ]
        for (year, month, day, hour, minute, second) in dates {
            let date = CivilDate(year: year, month: month, day: day, hour: hour, minute: minute, second: second)
            #expect(date.time == nil, "\(date)")
        }
        let leapDay = CivilDate(year: 2000, month: 2, day: 29, hour: 23, minute: 59, second: 59)
        #expect(leapDay.time == UnixTime(951_868_799))
    }

    @Test("its text is read back, and what is no date of the calendar is refused")
    func text() {
        for seconds in [0, 951_782_400, 1_795_504_608, 4_102_444_799] as [Int64] {
            #expect(UnixTime(UnixTime(seconds).description) == UnixTime(seconds))
        }
        #expect(UnixTime("2026-11-24") == UnixTime("2026-11-24T23:59:59Z"))
        for text in [
            "", "now", "2026-02-30", "2026-11-24T24:00:00Z", "2026-11-24T07:16:48", "26-11-24", "2026-11-24 07:16:48Z",
            "2026-1-24T07:16:48Z",
        ] {
            #expect(UnixTime(text) == nil, "\(text)")
        }
    }
}

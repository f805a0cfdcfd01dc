/// A moment in UTC as calendars have it. Pure arithmetic, for the few dates that people, certificates and HTTP write.
package struct CivilTime: Sendable, Equatable {
    package var year: Int64
    /// 1 ... 12 and 1 ... 31.
    package var month: Int64
    package var day: Int64
    /// 0 is Sunday.
    package var weekday: Int
    package var hour: Int64
    package var minute: Int64
    package var second: Int64

    /// - Parameter seconds: since 1970.
    package init(seconds: Int64) {
        // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
        let days = seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthIndex = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * monthIndex + 2) / 5 + 1
        month = monthIndex < 10 ? monthIndex + 3 : monthIndex - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        // 1970 began on a Thursday.
        weekday = Int(((days + 4) % 7 + 7) % 7)
        let rest = seconds - days * 86_400
        hour = rest / 3600
        minute = rest % 3600 / 60
        second = rest % 60
    }

    /// Days from 1970-01-01 to a day of the Gregorian calendar (days_from_civil of the same paper).
    package static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    static func twoDigits(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
}

/// A moment as people write it: `2026-11-22 20:15 UTC`.
package struct CalendarDate: Sendable, Equatable, CustomStringConvertible {
    package var description: String

    /// - Parameter seconds: since 1970.
    package init(seconds: Int64) {
        let time = CivilTime(seconds: seconds)
        let two = CivilTime.twoDigits
        description = "\(time.year)-\(two(time.month))-\(two(time.day)) \(two(time.hour)):\(two(time.minute)) UTC"
    }
}

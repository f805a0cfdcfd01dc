/// Times and durations as Go prints them, for answers that tools written for the Collector read.
enum GoTime {
    /// RFC 3339 in UTC with as many digits of the second as needed: `2026-01-02T03:04:05.6Z`.
    static func timestamp(nanosecondsSince1970: Int64) -> String {
        let (seconds, nanoseconds) = floorDivide(nanosecondsSince1970, by: 1_000_000_000)
        let (days, secondOfDay) = floorDivide(seconds, by: 86_400)
        let (year, month, day) = civil(daysSince1970: days)
        let clock = [secondOfDay / 3600, secondOfDay / 60 % 60, secondOfDay % 60]
        let date = "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
        let time = clock.map { padded($0, 2) }.joined(separator: ":")
        return "\(date)T\(time)\(fraction(nanoseconds, digits: 9))Z"
    }

    /// `1h2m3.5s`, `1.5ms`, `0s`: like Go's `Duration.String`.
    static func duration(nanoseconds: Int64) -> String {
        let sign = nanoseconds < 0 ? "-" : ""
        let value = Int64(clamping: nanoseconds.magnitude)
        switch value {
        case 0: return "0s"
        case ..<1_000: return "\(sign)\(value)ns"
        case ..<1_000_000:
            return "\(sign)\(value / 1_000)\(fraction(value % 1_000, digits: 3))µs"
        case ..<1_000_000_000:
            return "\(sign)\(value / 1_000_000)\(fraction(value % 1_000_000, digits: 6))ms"
        default:
            let seconds = value / 1_000_000_000
            var text = sign
            if seconds >= 3600 { text += "\(seconds / 3600)h" }
            if seconds >= 60 { text += "\(seconds / 60 % 60)m" }
            return text + "\(seconds % 60)\(fraction(value % 1_000_000_000, digits: 9))s"
        }
    }

    /// `.25`, or nothing if it is 0.
    private static func fraction(_ value: Int64, digits: Int) -> String {
        guard value != 0 else { return "" }
        var text = padded(value, digits)
        while text.hasSuffix("0") { text.removeLast() }
        return "." + text
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, width - text.count)) + text
    }

    private static func floorDivide(
        _ value: Int64, by divisor: Int64
    ) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }

    /// Gregorian date of a day. Years begin in March here, so that the leap day comes last.
    private static func civil(
        daysSince1970: Int64
    ) -> (year: Int64, month: Int64, day: Int64) {
        let (era, dayOfEra) = floorDivide(daysSince1970 + 719_468, by: 146_097)
        let yearOfEra =
            (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }
}

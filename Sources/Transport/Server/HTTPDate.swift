/// The `Date` field of HTTP answers, which a server with a clock must send (RFC 9110 §6.6.1). Written once a second and kept.
package struct HTTPDate: Sendable {
    private static let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    private var second = Int64.min
    private var text = ""

    /// Knows no moment so far.
    package init() {}

    /// The field's value at a moment.
    ///
    /// - Parameter seconds: since 1970.
    /// - Complexity: one comparison while the second is the same.
    package mutating func value(at seconds: Int64) -> String {
        if seconds != second {
            second = seconds
            text = Self.text(seconds)
        }
        return text
    }

    /// A moment as `Sun, 06 Nov 1994 08:49:37 GMT`: IMF-fixdate of RFC 9110 §5.6.7.
    ///
    /// - Parameter seconds: since 1970.
    package static func text(_ seconds: Int64) -> String {
        let time = CivilTime(seconds: seconds)
        let two = CivilTime.twoDigits
        let year = String(repeating: "0", count: max(0, 4 - "\(time.year)".count)) + "\(time.year)"
        let clock = "\(two(time.hour)):\(two(time.minute)):\(two(time.second))"
        return "\(weekdays[time.weekday]), \(two(time.day)) \(months[Int(time.month) - 1]) \(year) \(clock) GMT"
    }
}

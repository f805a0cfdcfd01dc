import Foundation
import Testing

@testable import Transport

@Suite struct HTTPDateTests {
    @Test(arguments: [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
        (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"), (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
        (951_868_799, "Tue, 29 Feb 2000 23:59:59 GMT"), (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"), (-62_135_596_800, "Mon, 01 Jan 0001 00:00:00 GMT"),
    ] as [(Int64, String)])
    func knownMoments(_ seconds: Int64, _ text: String) {
        #expect(HTTPDate.text(seconds) == text)
    }

    /// Against the system's own calendar, a day apart and a little, over 200 years.
    @Test func allDays() {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.timeZone = TimeZone(secondsFromGMT: 0)
        formatter.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
        for seconds in stride(from: Int64(-2_000_000_000), to: 4_500_000_000, by: 86_400 * 9 + 12_345) {
            #expect(HTTPDate.text(seconds) == formatter.string(from: Date(timeIntervalSince1970: Double(seconds))))
        }
    }

    @Test func remembersOneSecond() {
        var date = HTTPDate()
        for seconds in [5, 5, 6, 5, 0, Int64(784_111_777)] { #expect(date.value(at: seconds) == HTTPDate.text(seconds)) }
    }
}

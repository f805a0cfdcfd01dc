import Delivery
import Telemetry
import TestSupport
import Testing

@Suite struct BackoffTests {
    @Test(
        arguments: [
            (0, 5_000_000_000), (1, 5_000_000_000), (2, 7_500_000_000), (3, 11_250_000_000),
            (4, 16_875_000_000), (5, 25_312_500_000), (6, 30_000_000_000),
            (1_000_000, 30_000_000_000),
        ] as [(Int, Int64)])
    func intervals(failures: Int, expected: Int64) {
        #expect(Backoff(RetrySettings()).interval(failures: failures) == expected)
    }

    @Test func jitterSpansTheWholeRange() {
        let backoff = Backoff(RetrySettings())
        #expect(backoff.delay(failures: 1, random: 0) == 2_500_000_000)
        let most = backoff.delay(failures: 1, random: .max)
        #expect(most > 7_499_999_990 && most <= 7_500_000_000)
        var random = SeededGenerator(2)
        var sum: Int64 = 0
        for _ in 0..<10_000 { sum += backoff.delay(failures: 1, random: random.next()) / 10_000 }
        #expect(abs(sum - 5_000_000_000) < 50_000_000)
    }

    @Test func theServersDelayIsAMinimum() {
        let backoff = Backoff(RetrySettings(randomizationFactor: 0))
        #expect(backoff.delay(failures: 1, random: 0, serverDelay: 9 * second) == 9 * second)
        #expect(backoff.delay(failures: 1, random: 0, serverDelay: 1 * second) == 5 * second)
        #expect(
            backoff.delay(failures: 1, random: 0, serverDelay: .max) == Backoff.maximumServerDelay)
        #expect(backoff.delay(failures: 1, random: 0, serverDelay: .min) == 5 * second)
    }

    @Test(arguments: [0, 0.5, 1, 1.000_000_000_000_1, 1e300, .nan, .infinity] as [Double])
    func absurdSettingsNeverTrap(multiplier: Double) {
        for factor in [0, 1, -3, 7, .nan] as [Double] {
            let backoff = Backoff(
                RetrySettings(
                    initialInterval: .max, multiplier: multiplier, maxInterval: .max,
                    randomizationFactor: factor))
            #expect(backoff.delay(failures: .max, random: .max) >= 0)
        }
        let tiny = Backoff(RetrySettings(initialInterval: -5, multiplier: multiplier))
        #expect(tiny.delay(failures: 3, random: 0) == 0)
    }
}

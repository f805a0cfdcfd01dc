/// Exponential backoff with jitter, as the Collector computes it. Pure.
///
/// With the defaults (5 s, x 1.5, at most 30 s, r = 0.5):
///
/// | failures | interval | delay with jitter |
/// |---|---|---|
/// | 1 | 5 s | 2.5 s ... 7.5 s |
/// | 2 | 7.5 s | 3.75 s ... 11.25 s |
/// | 3 | 11.25 s | 5.625 s ... 16.875 s |
/// | 4 | 16.875 s | 8.4375 s ... 25.3125 s |
/// | 5 | 25.3125 s | 12.65625 s ... 37.96875 s |
/// | 6 and more | 30 s | 15 s ... 45 s |
package struct Backoff: Sendable {
    /// Longest delay that a destination can impose on us: one hour. A hostile or broken RetryInfo
    /// must not silence a destination for ever.
    package static let maximumServerDelay: Int64 = 3_600_000_000_000

    private let settings: RetrySettings

    /// Takes interval, multiplier, bound and jitter from `settings`.
    package init(_ settings: RetrySettings) {
        self.settings = settings
    }

    /// The interval before jitter after this many failures in a row (1 is the first).
    ///
    /// - Complexity: O(log(maxInterval / initialInterval)).
    package func interval(failures: Int) -> Int64 {
        let bound = Double(max(0, settings.maxInterval))
        var interval = min(Double(max(0, settings.initialInterval)), bound)
        guard settings.multiplier > 1, interval > 0 else { return Self.nanoseconds(interval) }
        var step = 1
        while step < failures, interval < bound {
            let grown = min(interval * settings.multiplier, bound)
            // A multiplier so near to 1 that nothing grows any more must not loop for long.
            if grown <= interval { break }
            interval = grown
            step += 1
        }
        return Self.nanoseconds(interval)
    }

    /// The delay after this many failures in a row.
    ///
    /// - Parameters:
    ///   - random: 64 random bits; uniform jitter in [1-r, 1+r].
    ///   - serverDelay: what the destination asked for: a minimum, cut to `maximumServerDelay`.
    package func delay(failures: Int, random: UInt64, serverDelay: Int64 = 0) -> Int64 {
        let unit = Double(random >> 11) * 0x1p-53
        let spread = min(max(settings.randomizationFactor, 0), 1)
        let factor = 1 - spread + 2 * spread * unit
        let jittered = Self.nanoseconds(Double(interval(failures: failures)) * factor)
        return max(jittered, Self.bounded(serverDelay))
    }

    /// A peer's delay, within 0 and `maximumServerDelay`.
    package static func bounded(_ serverDelay: Int64?) -> Int64 {
        min(max(serverDelay ?? 0, 0), maximumServerDelay)
    }

    /// Never traps: settings may be absurd, also not a number.
    private static func nanoseconds(_ value: Double) -> Int64 {
        if value >= 0x1p62 { return 1 << 62 }
        return value > 0 ? Int64(value) : 0
    }
}

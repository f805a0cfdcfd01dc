/// The Collector's `retry_on_failure` block, with its defaults. Times in nanoseconds.
package struct RetrySettings: Sendable, Equatable {
    /// False: a request is lost at its first failure.
    package var enabled: Bool
    /// Delay after the first failure.
    package var initialInterval: Int64
    /// Factor by which the delay grows.
    package var multiplier: Double
    /// Bound of the delay before jitter.
    package var maxInterval: Int64
    /// Jitter r: the delay is uniform in [1-r, 1+r] times the interval.
    package var randomizationFactor: Double
    /// Time from a request's first attempt after which it is lost. 0: never.
    package var maxElapsedTime: Int64

    /// 5 s, x 1.5, at most 30 s, r 0.5, for 5 min.
    package init(
        enabled: Bool = true, initialInterval: Int64 = 5_000_000_000, multiplier: Double = 1.5,
        maxInterval: Int64 = 30_000_000_000, randomizationFactor: Double = 0.5,
        maxElapsedTime: Int64 = 300_000_000_000
    ) {
        self.enabled = enabled
        self.initialInterval = initialInterval
        self.multiplier = multiplier
        self.maxInterval = maxInterval
        self.randomizationFactor = randomizationFactor
        self.maxElapsedTime = maxElapsedTime
    }
}

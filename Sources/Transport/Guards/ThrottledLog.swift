package import Logging
internal import Synchronization

/// Decides which of many like events are logged: the first, and then one in ten seconds with the number of those left out.
/// A value without clock and logger.
package struct LogThrottle: Sendable {
    /// Between two lines for the same key, nanoseconds.
    package static let interval: Int64 = 10_000_000_000

    private struct Entry {
        var loggedAt: Int64
        var leftOut: Int
    }

    private var entries: [String: Entry] = [:]

    package init() {}

    /// Nil: leave this one out. Otherwise: log it, and say how many were left out since the last line.
    /// - Parameter key: one of a small fixed set, such as the raw values of an enumeration; keys are kept for ever.
    package mutating func admit(_ key: String, now: Int64) -> Int? {
        guard var entry = entries[key] else {
            entries[key] = Entry(loggedAt: now, leftOut: 0)
            return 0
        }
        defer { entries[key] = entry }
        if now - entry.loggedAt < Self.interval {
            entry.leftOut += 1
            return nil
        }
        let leftOut = entry.leftOut
        entry = Entry(loggedAt: now, leftOut: 0)
        return leftOut
    }
}

/// A logger for what attackers can cause as often as they like: each kind of event is one line in ten seconds, with a count.
/// Shared by all workers.
package final class ThrottledLog: Sendable {
    private let logger: Logger
    private let throttle = Mutex(LogThrottle())

    package init(_ logger: Logger) { self.logger = logger }

    /// - Parameters:
    ///   - key: the kind of event; one of a small fixed set.
    ///   - now: monotonic nanoseconds.
    ///   - metadata: made only if the line is written.
    package func warning(
        _ message: Logger.Message, key: String, now: Int64, _ metadata: @autoclosure () -> Logger.Metadata
    ) {
        guard let leftOut = throttle.withLock({ $0.admit(key, now: now) }) else { return }
        var metadata = metadata()
        metadata["more_since_last"] = "\(leftOut)"
        logger.warning(message, metadata: metadata)
    }
}

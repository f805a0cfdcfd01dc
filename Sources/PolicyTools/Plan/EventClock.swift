/// The time of a recording, read from its spans: it goes forward only, and one wrong clock among the senders can't set it.
///
/// A request's time is the earliest start among its spans. Times that lie far ahead of all before count only when several requests
/// in a row agree: then the recording has a gap.
struct EventClock {
    /// Steps ahead of more than this need a second opinion: ten minutes.
    static let suspicious: Int64 = 600_000_000_000
    /// So many requests in a row must lie ahead.
    static let witnesses = 8

    /// Unix nanoseconds; nil before the first request.
    private(set) var now: Int64?
    private var ahead = 0
    /// The earliest of the times that lie ahead.
    private var earliestAhead: Int64 = .max
    /// Requests whose time was not believed, and so taken at the time of their neighbors.
    private(set) var doubted = 0

    /// Takes a request's time into account and returns what time it is then.
    mutating func advance(to time: Int64) -> Int64 {
        guard let current = now else {
            now = time
            return time
        }
        if time - current <= Self.suspicious {
            ahead = 0
            earliestAhead = .max
            now = max(current, time)
        } else {
            ahead += 1
            earliestAhead = min(earliestAhead, time)
            if ahead >= Self.witnesses {
                doubted -= ahead - 1
                now = earliestAhead
                ahead = 0
                earliestAhead = .max
            } else {
                doubted += 1
            }
        }
        return now ?? current
    }
}

/// When the requests of one lane are due.
///
/// With a rate the loop is open: request n is due at start + n / rate, whether or not earlier ones were answered, and
/// its latency counts from then on. A stall of the receiver so shows in every request that it delayed, not only in
/// the ones that happened to be under way ("coordinated omission"). Without a rate the loop is closed: a request is due
/// whenever fewer than `maximumInFlight` are unanswered.
package struct ArrivalSchedule: Sendable {
    package enum Mode: Sendable, Equatable {
        /// Requests a second of this lane; above 0.
        case rate(Double)
        case asFastAsPossible
    }

    /// What the sender has to do next.
    package enum Step: Equatable, Sendable {
        /// Send now; latency counts from `due`, which is not after now.
        case send(due: Int64)
        /// Nothing is due before this time.
        case wait(until: Int64)
        /// As many as allowed are unanswered: ask again after an answer.
        case full
        /// The time is over.
        case finished
    }

    private let mode: Mode
    private let start: Int64
    private let end: Int64
    private let maximumInFlight: Int
    private var sent: UInt64 = 0

    /// - Parameters:
    ///   - start: when the first request is due; lanes of one run start a fraction of an interval apart.
    ///   - nanoseconds: how long requests become due.
    ///   - maximumInFlight: bounds unanswered requests in either mode. Above 0.
    package init(mode: Mode, start: Int64, nanoseconds: Int64, maximumInFlight: Int) {
        precondition(maximumInFlight > 0)
        if case .rate(let rate) = mode { precondition(rate > 0) }
        self.mode = mode
        self.start = start
        end = start &+ nanoseconds
        self.maximumInFlight = maximumInFlight
    }

    /// The next step at time `now` with `inFlight` requests unanswered. A `.send` counts as done.
    package mutating func next(now: Int64, inFlight: Int) -> Step {
        switch mode {
        case .asFastAsPossible:
            guard now < end else { return .finished }
            guard now >= start else { return .wait(until: start) }
            guard inFlight < maximumInFlight else { return .full }
            sent += 1
            return .send(due: now)
        case .rate(let rate):
            let due = start &+ Int64(Double(sent) * 1e9 / rate)
            guard due < end else { return .finished }
            guard now >= due else { return .wait(until: due) }
            // What is due is sent, also after the end: leaving it out would hide the stall that delayed it. A receiver
            // that never catches up is cut off after another run time.
            guard now < end &+ (end &- start) else { return .finished }
            guard inFlight < maximumInFlight else { return .full }
            sent += 1
            return .send(due: due)
        }
    }

    /// Requests that are due by `now` and not yet sent, with a rate; 0 without.
    package func overdue(now: Int64) -> Int {
        guard case .rate(let rate) = mode else { return 0 }
        let elapsed = Double(min(now, end) &- start)
        guard elapsed >= 0 else { return 0 }
        return max(0, Int(elapsed * rate / 1e9) + 1 - Int(sent))
    }
}

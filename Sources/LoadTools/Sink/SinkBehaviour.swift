package import OTLP

/// How a sink answers: at once, late, or not as hoped. A pure plan over time and request numbers.
package struct SinkBehaviour: Sendable, Equatable {
    package enum Answer: Sendable, Equatable {
        /// Count the spans and answer OK after the delay.
        case accept(afterNanoseconds: Int64)
        /// Count nothing and answer with this status after the delay; RetryInfo if a delay is given for it.
        case refuse(status: GRPCStatusCode, retryNanoseconds: Int64?, afterNanoseconds: Int64)
        /// Count nothing and never answer.
        case hang
    }

    package enum Outage: String, Sendable, CaseIterable {
        /// Answers UNAVAILABLE.
        case refuse
        /// Takes requests and doesn't answer.
        case hang
        /// Closes its connections and takes none.
        case close
    }

    package var delayNanoseconds: Int64 = 0
    /// The status of a refusal; nil if nothing is refused outside an outage.
    package var failWith: GRPCStatusCode?
    /// The share of requests that `failWith` meets, in percent.
    package var failPercent = 100.0
    /// RetryInfo in refusals.
    package var retryNanoseconds: Int64?
    /// The outage's first and last moment since the start, and what it is like.
    package var unavailableAfterNanoseconds: Int64?
    package var unavailableForNanoseconds: Int64 = 0
    package var outage: Outage = .refuse

    package init() {}

    /// Whether the outage is on at `now` nanoseconds since the start.
    package func isUnavailable(now: Int64) -> Bool {
        guard let begin = unavailableAfterNanoseconds else { return false }
        return now >= begin && now - begin < unavailableForNanoseconds
    }

    /// The answer to request `number` (from 0) at `now` nanoseconds since the start.
    package func answer(request number: UInt64, now: Int64) -> Answer {
        if isUnavailable(now: now) {
            switch outage {
            case .refuse, .close:
                return .refuse(
                    status: .unavailable, retryNanoseconds: retryNanoseconds, afterNanoseconds: delayNanoseconds)
            case .hang: return .hang
            }
        }
        if let status = failWith, share(of: number) {
            return .refuse(
                status: status, retryNanoseconds: retryNanoseconds, afterNanoseconds: delayNanoseconds)
        }
        return .accept(afterNanoseconds: delayNanoseconds)
    }

    /// Spreads the failing share evenly: request n fails if a whole number lies between n and n + 1 shares.
    private func share(of number: UInt64) -> Bool {
        let part = failPercent / 100
        return (Double(number + 1) * part).rounded(.down) > (Double(number) * part).rounded(.down)
    }
}

/// What a client may cost that its requests do not need. Costs are counted in bytes of header fields; other work is converted.
package struct WorkAllowance: Sendable, Equatable {
    /// So much at once is forgiven, bytes.
    package var burst = 2 << 20
    /// And so much for each second. 0: no bound.
    package var perSecond = 512 << 10
    /// And so much for each request that was not refused for what it is.
    package var perRequest = 4 << 10
    /// All connections of an address together may cost so many times what one may.
    package var addressFactor = 8

    /// What a request costs that is refused for what it is: it is read, answered, and of no use.
    package static let refusalCost = 2 << 10

    package init() {}

    /// What all connections of an address may cost.
    package var ofAddress: WorkAllowance {
        var all = self
        all.burst *= addressFactor
        all.perSecond *= addressFactor
        return all
    }
}

/// Notices a client that costs much and brings nothing: header fields beyond what requests need, requests that are refused for
/// what they are. A bucket of forgiven work; a value without clock.
package struct WorkFlood: Sendable, Equatable {
    private let allowance: WorkAllowance
    private var forgiven: Int
    private var refilledAt: Int64

    /// - Parameters:
    ///   - now: monotonic nanoseconds, here and below.
    ///   - isSuspect: little is forgiven at once, since the client's address was sent away before.
    package init(_ allowance: WorkAllowance, now: Int64, isSuspect: Bool = false) {
        self.allowance = allowance
        forgiven = isSuspect ? allowance.burst / 8 : allowance.burst
        refilledAt = now
    }

    /// Counts what came since the last call; true if that is a flood.
    /// - Parameter requests: those that were not refused for what they are.
    package mutating func isFlood(cost: Int, requests: Int, now: Int64) -> Bool {
        let (_, isFlood) = spend(cost, requests, now)
        return isFlood
    }

    /// The same, and what of the cost no request accounts for.
    package mutating func spend(_ cost: Int, _ requests: Int, _ now: Int64) -> (excess: Int, isFlood: Bool) {
        guard allowance.perSecond > 0 else { return (0, false) }
        let excess = cost - min(requests, 1 << 20) * allowance.perRequest
        refill(now)
        forgiven = min(allowance.burst, forgiven - excess)
        return (max(0, excess), excess > 0 && forgiven < 0)
    }

    /// Whether this client has used up a good part of what is forgiven: one of those who cause a flood, if there is one.
    package var isCostly: Bool { forgiven < allowance.burst / 4 * 3 }

    private mutating func refill(_ now: Int64) {
        // In milliseconds, so that a fast caller does not lose the parts.
        let passed = max(0, now - refilledAt) / 1_000_000
        guard passed > 0 else { return }
        refilledAt += passed * 1_000_000
        forgiven = min(allowance.burst, forgiven + Int(min(passed, 3_600_000)) * allowance.perSecond / 1000)
    }
}

/// Notices a connection that keeps the node busy with frames that move nothing. A bucket of forgiven frames; a value without
/// clock.
package struct FrameFlood: Sendable, Equatable {
    private let allowance: FrameAllowance
    private var forgiven: Int
    private var refilledAt: Int64

    /// - Parameter now: monotonic nanoseconds, here and below.
    package init(_ allowance: FrameAllowance, now: Int64) {
        self.allowance = allowance
        forgiven = allowance.burst
        refilledAt = now
    }

    /// Counts what came since the last call; true if that is a flood.
    package mutating func isFlood(idle: Int, useful: Int, now: Int64) -> Bool {
        if idle == 0 { return false }
        let seconds = max(0, now - refilledAt) / 1_000_000_000
        if seconds > 0 {
            refilledAt = now
            forgiven += Int(min(seconds, 1_000_000)) * allowance.perSecond
        }
        forgiven = min(allowance.burst, forgiven + min(useful, allowance.burst) * allowance.perUsefulFrame) - idle
        return forgiven < 0
    }
}

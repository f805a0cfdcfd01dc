package import Telemetry

/// What became of spans; for counters and logs. The spans of `sent`, `rejectedByPeer` and `lost`
/// have left the queue.
package enum DeliveryEvent: Sendable, Equatable {
    /// Delivered.
    case sent(spans: Int)
    /// Named by the destination's `partial_success`; in the ledger they are lost for the reason
    /// `LossReason.rejectedByPeer`.
    case rejectedByPeer(spans: Int)
    /// Gone, and why.
    case lost(spans: Int, reason: LossReason)
    /// The request stays and is sent again, not before this time (nanoseconds).
    case retrying(at: Int64)
    /// The request was cut into two that will be sent one by one.
    case split(spans: Int)
}

package import Telemetry

/// How one attempt to export a request ended, as far as the queue has to know.
package enum ExportOutcome: Sendable, Equatable {
    /// The destination has taken the request, but for this many spans (`partial_success`). Those
    /// are counted and never sent again.
    case delivered(rejectedSpans: Int)
    /// Try again, not before `after` nanoseconds if the destination named a delay.
    case retry(after: Int64?)
    /// The destination can take the data in smaller requests only.
    case split
    /// Never send this again.
    case permanent(LossReason)
}

package import Delivery
package import Telemetry

/// How an attempt to send a request ended, for the queue and for the counters.
package struct AttemptResult: Sendable, Equatable {
    package var outcome: Delivery.ExportOutcome
    package var label: AttemptOutcome
    /// Bytes that went over the wire (or to the file).
    package var bytes: Int
    /// For the log: what the other side said, or what broke.
    package var message: String

    package init(outcome: Delivery.ExportOutcome, label: AttemptOutcome, bytes: Int, message: String = "") {
        self.outcome = outcome
        self.label = label
        self.bytes = bytes
        self.message = message
    }
}

/// Carries requests to one destination. Confined to the destination's loop.
///
/// Every `send` is answered by exactly one call of `done` on the same loop, never from within `send` itself.
package protocol ExportSender: AnyObject {
    func send(_ request: ExportRequest, _ done: @escaping (AttemptResult) -> Void)

    /// Nothing more will be sent: close what is open.
    func close()
}

package import Telemetry

/// One look at a running node, as the demo shows it. Counts are since the start.
package struct DemoSnapshot: Sendable {
    /// A destination's queue; its spans are in the ledger.
    package struct Queue: Sendable, Equatable {
        package var requests: Int
        package var bytes: Int

        package init(requests: Int, bytes: Int) {
            self.requests = requests
            self.bytes = bytes
        }
    }

    package var seconds: Double = 0
    package var ledger: Ledger
    package var refusedSpans = 0
    package var tracesInWindow = 0
    package var windowBytes = 0
    package var residentBytes = 0
    /// Traces that each policy wanted kept, in the order of the configuration; a trace may count for several.
    package var sampledByPolicy: [(name: String, traces: Int)] = []
    package var sampledTraces = 0
    package var notSampledTraces = 0
    package var droppedTraces = 0
    /// In the order of `ledger.destinations`.
    package var queues: [Queue] = []

    package init(ledger: Ledger) {
        self.ledger = ledger
    }

    /// Whether every span is in exactly one column, at every destination.
    package var balances: Bool { ledger.difference == 0 }
}

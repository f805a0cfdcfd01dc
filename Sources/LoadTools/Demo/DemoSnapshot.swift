/// One look at a running node, as the demo shows it. Counts are since the start; all of them in spans unless named
/// otherwise.
package struct DemoSnapshot: Sendable {
    /// Where a span that was accepted can be.
    package struct Ledger: Sendable, Equatable {
        package var accepted: Int64 = 0
        package var buffered: Int64 = 0
        package var notSampled: Int64 = 0
        package var droppedByPolicy: Int64 = 0
        package var sampled: Int64 = 0

        package init() {}

        /// Spans that no column holds; 0 in a sound node.
        package var difference: Int64 { accepted - buffered - notSampled - droppedByPolicy - sampled }
    }

    package struct Destination: Sendable, Equatable {
        package var name: String
        package var queued: Int64
        package var sent: Int64
        package var lost: Int64
        /// Requests that wait in the queue.
        package var queuedRequests: Int64

        package init(name: String, queued: Int64, sent: Int64, lost: Int64, queuedRequests: Int64) {
            self.name = name
            self.queued = queued
            self.sent = sent
            self.lost = lost
            self.queuedRequests = queuedRequests
        }

        /// Sampled spans that this destination's columns don't hold; 0 in a sound node.
        package func difference(sampled: Int64) -> Int64 { sampled - queued - sent - lost }
    }

    package var seconds: Double = 0
    package var refusedSpans: Int64 = 0
    package var tracesInWindow: Int64 = 0
    package var segmentBytes: Int64 = 0
    package var residentBytes: Int64 = 0
    /// Traces that each policy wanted kept, in the order of the configuration; a trace may count for several.
    package var sampledByPolicy: [(name: String, traces: Int64)] = []
    package var sampledTraces: Int64 = 0
    package var notSampledTraces: Int64 = 0
    package var droppedTraces: Int64 = 0
    package var ledger = Ledger()
    package var destinations: [Destination] = []

    package init() {}

    /// Whether every span is in exactly one column, at every destination.
    package var balances: Bool {
        ledger.difference == 0 && destinations.allSatisfy { $0.difference(sampled: ledger.sampled) == 0 }
    }
}

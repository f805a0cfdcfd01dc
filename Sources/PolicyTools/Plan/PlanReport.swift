package import OTLP
internal import Sampling

/// What a plan found: the same traces under two sets of policies. All figures are exact counts over the recording.
package struct PlanReport: Sendable {
    /// How much: traces, and the spans and bytes in them.
    package struct Amount: Sendable, Equatable {
        package var traces = 0
        package var spans = 0
        package var bytes = 0

        package init(traces: Int = 0, spans: Int = 0, bytes: Int = 0) {
            self.traces = traces
            self.spans = spans
            self.bytes = bytes
        }

        mutating func add(traces: Int = 1, spans: Int, bytes: Int) {
            self.traces += traces
            self.spans += spans
            self.bytes += bytes
        }

        package static func - (left: Amount, right: Amount) -> Amount {
            Amount(traces: left.traces - right.traces, spans: left.spans - right.spans, bytes: left.bytes - right.bytes)
        }

        package static func + (left: Amount, right: Amount) -> Amount {
            Amount(traces: left.traces + right.traces, spans: left.spans + right.spans, bytes: left.bytes + right.bytes)
        }
    }

    /// What one policy did.
    package struct Policy: Sendable {
        package var name: String
        package var type: String
        /// Traces that it wanted, or vetoed.
        package var matched = Amount()
        /// Traces that it decided: it was the first to want them, or vetoed them.
        package var decided = Amount()
        /// Traces that it alone wanted: without it they would not be kept.
        package var alone = Amount()
        /// It is a drop policy and vetoed some trace.
        package var drops = false
    }

    /// One set of policies.
    package struct Side: Sendable {
        /// The file, or what stands for it.
        package var label: String
        package var decisionWait: Int64
        package var policies: [Policy] = []
        package var kept = Amount()
        package var notSampled = Amount()
        package var dropped = Amount()

        /// Policies that wanted no trace at all.
        package var unused: [Policy] { policies.filter { $0.matched.traces == 0 } }
    }

    /// The traces of one service, or with one root operation.
    package struct Group: Sendable {
        package var name: String
        package var total = Amount()
        package var current = Amount()
        package var candidate = Amount()
    }

    /// A trace that the two sets treat differently.
    package struct Example: Sendable {
        package var traceID: TraceID
        package var service: String
        package var operation: String
        package var milliseconds: Double
        package var spans: Int
        package var hasError: Bool
        /// The policy that wants it, or that vetoed it.
        package var policy: String
    }

    /// A stretch of the recording, for the chart over time.
    package struct Moment: Sendable {
        /// Spans of traces that began in it.
        package var total = 0
        package var current = 0
        package var candidate = 0
    }

    package var files: [String] = []
    package var requests = 0
    package var total = Amount()
    /// Unix nanoseconds of the first and the last request.
    package var begin: Int64 = 0
    package var end: Int64 = 0
    package var current: Side
    package var candidate: Side
    package var keptByBoth = Amount()
    package var newlyKept = Amount()
    package var newlyDropped = Amount()
    package var keptByNeither = Amount()
    package var keptExamples: [Example] = []
    package var droppedExamples: [Example] = []
    /// By spans, largest first.
    package var services: [Group] = []
    package var operations: [Group] = []
    package var moments: [Moment] = []
    /// Nanoseconds that one of `moments` covers.
    package var momentWidth: Int64 = 1_000_000_000
    /// What a reader should know about the figures.
    package var remarks: [String] = []
    /// How long the replay took, seconds; set by the caller.
    package var seconds = 0.0

    /// The length of the recording in seconds; 0 if it has one moment only.
    package var recordedSeconds: Double { end > begin ? Double(end - begin) / 1e9 : 0 }
}

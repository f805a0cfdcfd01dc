package import ConfigTree

/// `latency`: keeps traces by their extent, latest end minus earliest start in whole milliseconds.
///
/// Without `upper_threshold_ms`: extent >= `threshold_ms`. With it: `threshold_ms` < extent <= `upper_threshold_ms`, the
/// lower bound exclusive as in the Collector 0.156.
///
/// Decided on the whole trace. The Collector tests after each span, so with an upper bound it keeps a trace when any prefix in
/// order of arrival fits, and a span with a zero start resets its minimum; both depend on the order of arrival.
package struct LatencyPolicy: SamplingPolicy {
    package static let typeName = "latency"

    package static var schema: PolicySchema {
        PolicySchema(
            "Keeps traces by their extent: latest end minus earliest start, in whole milliseconds.",
            fields: [
                PolicyField("threshold_ms", .integer, default: "0", "The least extent; with `upper_threshold_ms` the extent must be above it."),
                PolicyField("upper_threshold_ms", .integer, default: "0", "The greatest extent; 0 is no limit."),
            ],
            notes: "Gaps between spans and skew of clocks count. A span whose start is 0 has no latency, whatever its end; an end of 0 is left out.")
    }

    let threshold: Int64
    /// 0: none.
    let upperThreshold: Int64

    package init?(_ block: inout ConfigReader, _ builder: inout PolicyBuilder) {
        threshold = Int64(block.integer("threshold_ms", default: 0))
        upperThreshold = Int64(block.integer("upper_threshold_ms", default: 0))
        if upperThreshold != 0 && upperThreshold <= threshold {
            block.warning(
                "no trace can be over \(threshold) ms and at most \(upperThreshold) ms; make it larger than threshold_ms",
                key: "upper_threshold_ms")
        } else if upperThreshold != 0 {
            PolicyDeviations.warn(.latencyWholeTrace, &block, key: "upper_threshold_ms")
        }
    }

    package init(threshold: Int64, upperThreshold: Int64 = 0) {
        self.threshold = threshold
        self.upperThreshold = upperThreshold
    }

    package var isStateful: Bool { upperThreshold > 0 }

    package func decide(_ trace: borrowing TraceSummary, _ context: inout DecisionContext) -> PolicyVerdict {
        let extent = trace.extentMilliseconds
        if upperThreshold == 0 { return extent >= threshold ? .sampled : .notSampled }
        return extent > threshold && extent <= upperThreshold ? .sampled : .notSampled
    }
}

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

    let threshold: Int64
    /// 0: none.
    let upperThreshold: Int64

    package init?(_ block: inout ConfigReader, predicates: inout PredicateCompiler) {
        threshold = Int64(block.integer("threshold_ms", default: 0))
        upperThreshold = Int64(block.integer("upper_threshold_ms", default: 0))
        if upperThreshold != 0 && upperThreshold <= threshold {
            block.warning(
                "no trace can be over \(threshold) ms and at most \(upperThreshold) ms; make it larger than threshold_ms",
                key: "upper_threshold_ms")
        }
    }

    package init(threshold: Int64, upperThreshold: Int64 = 0) {
        self.threshold = threshold
        self.upperThreshold = upperThreshold
    }

    package func decide(_ trace: borrowing TraceSummary, _ context: inout DecisionContext) -> PolicyVerdict {
        let extent = trace.extentMilliseconds
        if upperThreshold == 0 { return extent >= threshold ? .sampled : .notSampled }
        return extent > threshold && extent <= upperThreshold ? .sampled : .notSampled
    }
}

package import ConfigTree

/// `span_count`: keeps traces by the number of their spans.
package struct SpanCountPolicy: SamplingPolicy {
    package static let typeName = "span_count"

    package static var schema: PolicySchema {
        PolicySchema(
            "Keeps traces with at least `min_spans` and at most `max_spans` spans.",
            fields: [
                PolicyField(
                    "min_spans", .integer, default: "0", "The least number of spans.", minimum: Double(Int32.min),
                    maximum: Double(Int32.max)),
                PolicyField(
                    "max_spans", .integer, default: "0", "The greatest number of spans; 0 is no limit.",
                    minimum: Double(Int32.min), maximum: Double(Int32.max)),
            ], notes: "A span that came twice counts twice.")
    }

    let minimum: Int
    /// 0: none.
    let maximum: Int

    package init?(_ block: inout ConfigReader, _ builder: inout PolicyBuilder) {
        let bounds = Int(Int32.min)...Int(Int32.max)
        minimum = block.integer("min_spans", default: 0, in: bounds)
        maximum = block.integer("max_spans", default: 0, in: bounds)
        if maximum != 0 && maximum < max(1, minimum) {
            block.warning("no trace has at least \(minimum) and at most \(maximum) spans", key: "max_spans")
        }
    }

    package var isStateful: Bool { maximum > 0 }

    package func decide(_ trace: borrowing TraceSummary, _ context: inout DecisionContext) -> PolicyVerdict {
        let count = Int(trace.spanCount)
        return count >= minimum && (maximum == 0 || count <= maximum) ? .sampled : .notSampled
    }
}

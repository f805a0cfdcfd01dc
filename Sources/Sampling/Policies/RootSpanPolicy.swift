package import ConfigTree

/// `root_span`: keeps traces with a span without parent that passes all conditions of the block.
package struct RootSpanPolicy: SamplingPolicy {
    package static let typeName = "root_span"

    package static var schema: PolicySchema {
        PolicySchema(
            "Keeps traces whose root span passes all the conditions.", origin: .tailgate, fields: SpanConditionReader.fields,
            notes: "A trace whose root has not come is not kept.")
    }

    let spans: MatchedSpans

    package init?(_ block: inout ConfigReader, _ builder: inout PolicyBuilder) {
        guard let condition = SpanConditionReader.read(&block, &builder) else { return nil }
        spans = builder.match(condition, .root, &block, key: nil)
    }

    package func decide(_ trace: borrowing TraceSummary, _ context: inout DecisionContext) -> PolicyVerdict {
        spans.holds(trace, context) ? .sampled : .notSampled
    }
}

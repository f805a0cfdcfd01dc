package import ConfigTree

/// `boolean_attribute`: keeps traces with a span or resource whose attribute is true, or false.
///
/// A value that is no boolean counts as false, as in the Collector.
package struct BooleanAttributePolicy: SamplingPolicy {
    package static let typeName = "boolean_attribute"

    package static var schema: PolicySchema {
        PolicySchema(
            "Keeps traces with a span or resource whose boolean attribute has the value.",
            fields: [
                AttributeBlock.key,
                PolicyField("value", .boolean, default: "false", "The wanted value."),
                AttributeBlock.invert, SpanMatch.field,
            ],
            notes: "A value that is no boolean counts as false; an absent attribute never matches.")
    }

    let spans: MatchedSpans

    package init?(_ block: inout ConfigReader, _ builder: inout PolicyBuilder) {
        let key = AttributeBlock.key(&block)
        let value = block.bool("value", default: false)
        spans = AttributeBlock.spans(.bool(value), of: key, &block, &builder)
    }

    package func decide(_ trace: borrowing TraceSummary, _ context: inout DecisionContext) -> PolicyVerdict {
        spans.holds(trace, context) ? .sampled : .notSampled
    }
}

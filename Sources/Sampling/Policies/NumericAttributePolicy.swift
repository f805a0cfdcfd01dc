package import ConfigTree

/// `numeric_attribute`: keeps traces with a span or resource whose attribute lies in a range.
///
/// Integers and doubles are compared as they are; a value of another type counts as 0, as in the Collector.
package struct NumericAttributePolicy: SamplingPolicy {
    package static let typeName = "numeric_attribute"

    package static var schema: PolicySchema {
        PolicySchema(
            "Keeps traces with a span or resource whose numeric attribute lies in a range, both ends included.",
            fields: [
                AttributeBlock.key,
                PolicyField(
                    "min_value", .number, default: "0",
                    "The least value. The integer 0 counts as not set, as in the Collector; write 0.0 for a bound of zero."),
                PolicyField(
                    "max_value", .number, default: "0",
                    "The greatest value. The integer 0 counts as not set; write 0.0 for a bound of zero."),
                AttributeBlock.invert, SpanMatch.field,
            ],
            notes: "At least one bound is needed. Text, booleans and other values count as 0.")
    }

    let spans: MatchedSpans

    package init?(_ block: inout ConfigReader, _ builder: inout PolicyBuilder) {
        let key = AttributeBlock.key(&block)
        let minimum = Self.bound("min_value", &block)
        let maximum = Self.bound("max_value", &block)
        if minimum == nil && maximum == nil && !block.problems.hasErrors {
            block.error(
                "a range needs `min_value` or `max_value`, and 0 counts as not set; write 0.0 for a bound of zero",
                key: block.has("min_value") ? "min_value" : nil)
        }
        let range = NumberRange(minimum, maximum)
        if range.isEmpty { block.warning("min_value is above max_value, so no value is in the range", key: "max_value") }
        spans = AttributeBlock.spans(.number(range), of: key, &block, &builder)
    }

    /// An integer 0 is no bound.
    private static func bound(_ key: String, _ block: inout ConfigReader) -> NumberBound? {
        let isWritten = block.has(key)
        guard let bound = block.bound(key) else { return nil }
        if bound == .integer(0) {
            if isWritten {
                block.warning("0 counts as not set, as in the Collector; write 0.0 if zero is meant as a bound", key: key)
            }
            return nil
        }
        if case .double(let value) = bound, value.rounded(.towardZero) != value || value == 0 {
            PolicyDeviations.warn(.numericFraction, &block, key: key)
        }
        return bound
    }

    package func decide(_ trace: borrowing TraceSummary, _ context: inout DecisionContext) -> PolicyVerdict {
        spans.holds(trace, context) ? .sampled : .notSampled
    }
}

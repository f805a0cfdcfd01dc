package import ConfigTree

/// `string_attribute`: keeps traces with a span or resource whose attribute is one of `values`, or matches one of them.
///
/// The empty text never matches on a span; on a resource it, and a value that is no text, can match a regular expression: both
/// as in the Collector.
package struct StringAttributePolicy: SamplingPolicy {
    package static let typeName = "string_attribute"

    package static var schema: PolicySchema {
        PolicySchema(
            "Keeps traces with a span or resource whose text attribute has one of the values.",
            fields: [
                AttributeBlock.key,
                PolicyField("values", .textList, default: "[]", "The texts, or the patterns. Case counts."),
                PolicyField(
                    "enabled_regex_matching", .boolean, default: "false",
                    "Take `values` as regular expressions: RE2 syntax, found anywhere in the text; write ^ and $ for all of it."),
                PolicyField(
                    "cache_max_size", .integer, default: "128",
                    "Accepted for the Collector's sake; matching is faster than a cache and needs none."),
                AttributeBlock.invert, SpanMatch.field,
            ],
            notes: "Empty texts in `values` are ignored unless they are patterns. Without values nothing matches.")
    }

    let spans: MatchedSpans

    package init?(_ block: inout ConfigReader, _ builder: inout PolicyBuilder) {
        let key = AttributeBlock.key(&block)
        let values = block.placedStrings("values")
        let isPattern = block.bool("enabled_regex_matching", default: false)
        _ = block.integer("cache_max_size", default: 128)
        var test = TextTest.oneOf([])
        if isPattern {
            if let pattern = builder.expression(values, block.problems) { test = .matches(pattern) }
        } else {
            test = .oneOf(Set(values.map(\.text).filter { !$0.isEmpty }))
        }
        if case .oneOf([]) = test, !block.problems.hasErrors {
            block.warning("there is no value to compare with, so nothing matches", key: "values")
        }
        spans = AttributeBlock.spans(.text(test), of: key, &block, &builder)
    }

    package func decide(_ trace: borrowing TraceSummary, _ context: inout DecisionContext) -> PolicyVerdict {
        spans.holds(trace, context) ? .sampled : .notSampled
    }
}

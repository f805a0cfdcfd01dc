internal import ConfigTree

/// Keys that the policies on one attribute have in common.
enum AttributeBlock {
    static var key: PolicyField { PolicyField("key", .text, default: "\"\"", "The attribute's name, on a span or its resource.", isRequired: true) }
    static var invert: PolicyField {
        PolicyField("invert_match", .boolean, default: "false", "Keep the traces that would not match, and only those.")
    }

    /// The attribute's name. An empty one is what the Collector takes too; it is never what somebody meant.
    static func key(_ block: inout ConfigReader) -> String {
        let key = block.string("key", default: "")
        if key.isEmpty { block.warning("the attribute's name is missing, so nothing can match", key: "key") }
        return key
    }

    /// The condition of a whole trace, from what a span must be and the block's `match` and `invert_match`.
    static func spans(
        _ test: ValueTest, of key: String, _ block: inout ConfigReader, _ builder: inout PolicyBuilder
    ) -> MatchedSpans {
        let isInverted = block.bool("invert_match", default: false)
        let match = block.oneOf("match", default: SpanMatch.anySpan)
        return builder.match(.attribute(AttributePredicate(key, test)), match, isInverted: isInverted, &block, key: nil)
    }
}

package import ConfigTree
internal import OTTL

/// `ottl_condition`: keeps traces in which an OTTL condition is true of some span, or of some event of one.
///
/// With `error_mode: propagate` a condition that fails on some span, and is true of none, makes the policy fail: it then counts as
/// if it were not there. The Collector stops at whichever comes first in the order of arrival.
package struct OTTLConditionPolicy: SamplingPolicy {
    package static let typeName = "ottl_condition"

    package static var schema: PolicySchema {
        PolicySchema(
            "Keeps traces in which one of the OTTL conditions is true of a span or a span event.",
            fields: [
                PolicyField(
                    "error_mode", .text, default: "silent",
                    "What a condition that can't be evaluated on a span means: `silent`: false; `ignore`: false, and a log line for each condition and kind of error, and a count in `tailgate_policy_condition_errors_total`; `propagate`: the policy is left out of this decision.",
                    allowed: OTTLErrorMode.allCases.map(\.rawValue)),
                PolicyField("span", .textList, default: "[]", "Conditions on a span."),
                PolicyField("spanevent", .textList, default: "[]", "Conditions on an event of a span."),
            ], notes: "At least one condition is needed. The language is described in the reference of OTTL.")
    }

    let isTrue: PredicateBits
    let isFailed: PredicateBits

    package init?(_ block: inout ConfigReader, _ builder: inout PolicyBuilder) {
        let mode = Self.errorMode(&block)
        let span = block.placedStrings("span")
        let events = block.placedStrings("spanevent")
        if span.isEmpty && events.isEmpty {
            block.error("expected at least one OTTL condition to filter on, under `span` or `spanevent`")
            return nil
        }
        guard let condition = builder.ottl(span: span, spanEvents: events, mode, block.problems) else { return nil }
        isTrue = builder.bits(.condition(SpanConditionUse(condition)), &block, key: nil)
        if mode == .propagate {
            PolicyDeviations.warn(.ottlPropagate, &block, key: "error_mode")
            isFailed = builder.bits(.condition(SpanConditionUse(condition, is: .failed)), &block, key: nil)
        } else {
            isFailed = PredicateBits()
        }
    }

    /// Written in any case, but not empty; left out it is `silent`.
    private static func errorMode(_ block: inout ConfigReader) -> OTTLErrorMode {
        guard let text = block.stringIfPresent("error_mode") else { return .silent }
        if let mode = OTTLErrorMode(configured: text) { return mode }
        let known = OTTLErrorMode.allCases.map(\.rawValue)
        let hint = nearestName(to: text, among: known).map { "did you mean `\($0)`? " } ?? ""
        block.error(
            "unknown error mode `\(clipped(text))`; \(hint)there are \(known.joined(separator: ", "))", key: "error_mode")
        return .silent
    }

    package func decide(_ trace: borrowing TraceSummary, _ context: inout DecisionContext) -> PolicyVerdict {
        if isTrue.intersects(trace, context) { return .sampled }
        return isFailed.intersects(trace, context) ? .failed : .notSampled
    }
}

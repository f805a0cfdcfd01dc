internal import ConfigTree

/// Where Tailgate decides otherwise than the Collector 0.156 does on the same policies and trace, and why.
///
/// The one list from which `Policies/README.md` is checked and the warnings at start are worded.
package struct PolicyDeviation: Sendable {
    package enum ID: String, Sendable, CaseIterable {
        case latencyWholeTrace, latencyZeroTimes
        case numericDouble, numericFraction, numericWithoutBounds
        case largeTraceInBucket, bytesWithSchemaURL
        case compositeWithoutAllocation, largeTraceInComposite
        case ottlPropagate, ottlOrder
        case unknownKey, deeperNesting, regexSyntax
    }

    package let id: ID
    /// The policy types that it is about; empty for all.
    package let types: [String]
    /// What Tailgate does, and what the Collector does.
    package let text: String
    package let reason: String
    /// Whether a configuration that is touched by it is warned of at start.
    package let isWarnedOf: Bool
}

package enum PolicyDeviations {
    package static let all: [PolicyDeviation] = [
        PolicyDeviation(
            id: .latencyWholeTrace, types: ["latency"],
            text: "With `upper_threshold_ms` the whole trace is judged; the Collector keeps a trace if its extent was inside the window after any of its spans, in the order in which they came.",
            reason: "A decision must not depend on the order in which spans arrive.", isWarnedOf: true),
        PolicyDeviation(
            id: .latencyZeroTimes, types: ["latency"],
            text: "A span whose start is 0 has no latency, whatever its end, and is left out; in the Collector it makes the extent that of its end since 1970, and the earliest start so far is forgotten.",
            reason: "An unknown time is no latency, and a decision must not depend on the order in which spans arrive.", isWarnedOf: false),
        PolicyDeviation(
            id: .numericDouble, types: ["numeric_attribute"],
            text: "An attribute that is a double is compared as the number that it is; the Collector reads it as 0.",
            reason: "Durations and ratios are doubles, and nobody who names one means 0.", isWarnedOf: false),
        PolicyDeviation(
            id: .numericFraction, types: ["numeric_attribute"],
            text: "A bound with a fraction or a point is that number, and 0.0 is a bound; the Collector cuts fractions off and takes any zero as not set.",
            reason: "Ranges of doubles need bounds that are doubles, and zero is a common one.", isWarnedOf: true),
        PolicyDeviation(
            id: .numericWithoutBounds, types: ["numeric_attribute"],
            text: "Without any bound the policy is a configuration error; the Collector starts and crashes at the first trace.",
            reason: "A crash is no decision.", isWarnedOf: true),
        PolicyDeviation(
            id: .largeTraceInBucket, types: ["rate_limiting", "bytes_limiting"],
            text: "A trace larger than the burst capacity passes when the bucket is full, and later traces wait until it is paid for; the Collector never keeps such a trace.",
            reason: "The largest traces are often those that matter, and the long-term rate stays the same.", isWarnedOf: true),
        PolicyDeviation(
            id: .bytesWithSchemaURL, types: ["bytes_limiting"],
            text: "A trace's bytes include the schema URLs of its resources and scopes; the Collector loses them when a trace comes in.",
            reason: "They are kept and sent, so they are paid for.", isWarnedOf: false),
        PolicyDeviation(
            id: .compositeWithoutAllocation, types: ["composite"],
            text: "A sub-policy without an entry in `rate_allocation` gets an equal part of the total; the Collector gives it 0, so that it never keeps anything.",
            reason: "Later versions of the Collector give the equal part, too (#49828).", isWarnedOf: true),
        PolicyDeviation(
            id: .largeTraceInComposite, types: ["composite"],
            text: "A trace larger than its sub-policy's allocation for a whole second passes when nothing else was kept in that second, and the seconds after it pay; the Collector never keeps such a trace.",
            reason: "As for the limiters: the rate stays the same over time.", isWarnedOf: true),
        PolicyDeviation(
            id: .ottlPropagate, types: ["ottl_condition"],
            text: "With `error_mode: propagate` a condition that is true of some span keeps the trace, and otherwise an error on some span makes the policy fail; in the Collector whichever comes first in the order of arrival decides.",
            reason: "A decision must not depend on the order in which spans arrive.", isWarnedOf: true),
        PolicyDeviation(
            id: .ottlOrder, types: ["and", "drop", "composite"],
            text: "All conditions on spans are checked as the spans arrive, also those that an earlier sub-policy makes irrelevant; what a policy counts is still counted only when it is asked.",
            reason: "No difference in decisions; only errors inside OTTL conditions may be counted more often.", isWarnedOf: false),
        PolicyDeviation(
            id: .unknownKey, types: [],
            text: "An unknown key in a policy with a map or nothing under it is ignored with a warning; the Collector ignores it silently.",
            reason: "It is a misspelt name more often than not.", isWarnedOf: true),
        PolicyDeviation(
            id: .deeperNesting, types: ["and", "not", "drop", "composite"],
            text: "Any policy may stand inside any other, to 16 levels; the Collector allows few combinations.",
            reason: "A superset: every Collector configuration means the same.", isWarnedOf: false),
        PolicyDeviation(
            id: .regexSyntax, types: ["string_attribute", "ottl_condition"],
            text: "Regular expressions are RE2's own; Go's `(?<name>re)` is spelt `(?P<name>re)`, and bytes that are no UTF-8 match nothing, where Go takes each for U+FFFD.",
            reason: "RE2 runs in linear time on any input, and is what Go's syntax comes from.", isWarnedOf: false),
    ]

    private static let byID = Dictionary(uniqueKeysWithValues: all.map { ($0.id, $0) })

    package static func deviation(_ id: PolicyDeviation.ID) -> PolicyDeviation? { byID[id] }

    /// Warns that a configuration is touched by a deviation, at a key of the block or at the block.
    static func warn(_ id: PolicyDeviation.ID, _ block: inout ConfigReader, key: String?, about subject: String? = nil) {
        guard let text = byID[id]?.text else { return }
        block.warning((subject.map { "\($0): " } ?? "") + text, key: key)
    }
}

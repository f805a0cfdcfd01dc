package import ConfigTree

/// `first_match`: a list of rules, each with a percentage; the first rule that matches a trace decides on it.
///
/// "Health checks 1 %, errors 100 %, checkout 50 %, the rest 10 %." The percentage is taken by the trace id as `probabilistic`
/// does it, with the block's salt for all rules, so that a trace kept at 10 % is kept at 50 %, too, and nodes and reloads agree. A rule
/// whose policy fails does not match.
package struct FirstMatchPolicy: SamplingPolicy {
    package static let typeName = "first_match"

    package static var schema: PolicySchema {
        PolicySchema(
            "Decides by the first of its rules that matches the trace: keeps the rule's percentage.", origin: .tailgate,
            fields: [
                PolicyField(
                    "rules",
                    .mapList([
                        PolicyField("name", .text, default: "\"\"", "For people."),
                        PolicyField("span", .condition, "Conditions on a span; all hold on the same span."),
                        SpanMatch.field,
                        PolicyField("policy", .policy, "A policy that must keep the trace."),
                        PolicyField(
                            "sampling_percentage", .number, "How many of the traces that the rule matches are kept.",
                            isRequired: true, minimum: 0, maximum: 100),
                    ]), "The rules, asked in order. One without `span` and `policy` matches every trace.", isRequired: true),
                PolicyField("hash_salt", .text, default: "\"\"", "As of `probabilistic`: equal salts keep the same traces."),
            ], notes: "A trace that no rule matches is not kept.")
    }

    struct Rule: Sendable {
        var spans: MatchedSpans?
        var policy: (any SamplingPolicy)?
        var share: ProbabilisticPolicy
    }

    let rules: [Rule]

    package init?(_ block: inout ConfigReader, _ builder: inout PolicyBuilder) {
        let salt = Array(block.string("hash_salt", default: "").utf8)
        var rules: [Rule] = []
        var readers = block.maps("rules")
        for position in readers.indices {
            rules.append(Self.rule(&readers[position], salt, &builder))
            let isCatchAll = rules[position].spans == nil && rules[position].policy == nil
            if isCatchAll && position < readers.count - 1 && !block.problems.hasErrors {
                readers[position].warning("this rule matches every trace, so the rules after it are never asked")
            }
        }
        if readers.isEmpty { block.error("at least one rule is needed", key: "rules") }
        self.rules = rules
    }

    private static func rule(_ reader: inout ConfigReader, _ salt: [UInt8], _ builder: inout PolicyBuilder) -> Rule {
        _ = reader.string("name", default: "")
        let match = reader.oneOf("match", default: SpanMatch.anySpan)
        if !reader.has("sampling_percentage") {
            reader.error("the rule's `sampling_percentage` is missing", key: "sampling_percentage")
        }
        let percentage = reader.double("sampling_percentage", default: 0, in: 0...100)
        var rule = Rule(share: ProbabilisticPolicy(percentage: percentage, salt: salt))
        if var span = reader.map("span") {
            if let predicate = SpanConditionReader.read(&span, &builder) {
                rule.spans = builder.match(predicate, match, &span, key: nil)
            }
            span.finish()
        } else if reader.has("match") {
            reader.warning("`match` has no effect without `span`", key: "match")
        }
        rule.policy = builder.policy(&reader, "policy")?.policy
        reader.finish()
        return rule
    }

    package var isStateful: Bool { true }

    package func decide(_ trace: borrowing TraceSummary, _ context: inout DecisionContext) -> PolicyVerdict {
        for rule in rules {
            if let spans = rule.spans, !spans.holds(trace, context) { continue }
            switch rule.policy?.decide(trace, &context) ?? .sampled {
            case .sampled: return rule.share.decide(trace, &context)
            case .dropped: return .dropped
            case .notSampled, .failed: continue
            }
        }
        return .notSampled
    }
}

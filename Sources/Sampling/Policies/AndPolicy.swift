package import ConfigTree

/// `and`: keeps traces that all its sub-policies keep. Different spans may satisfy different sub-policies.
///
/// Asked in order: the first that does not sample ends it (so limiters behind it don't count), a failure makes the whole fail.
/// Without sub-policies it keeps everything, as in the Collector.
package struct AndPolicy: SamplingPolicy {
    package static let typeName = "and"

    package static var schema: PolicySchema {
        PolicySchema(
            "Keeps traces that all sub-policies keep.",
            fields: [PolicyField("and_sub_policy", .policyList, default: "[]", "The policies, asked in order.")],
            notes: "Different spans may satisfy different sub-policies. Without sub-policies every trace is kept.")
    }

    let policies: [any SamplingPolicy]

    package init?(_ block: inout ConfigReader, _ builder: inout PolicyBuilder) {
        policies = builder.policies(&block, "and_sub_policy").map(\.policy)
        if policies.isEmpty && !block.problems.hasErrors {
            block.warning("without sub-policies every trace is kept", key: "and_sub_policy")
        }
    }

    package var isStateful: Bool { policies.contains { $0.isStateful } }

    package func decide(_ trace: borrowing TraceSummary, _ context: inout DecisionContext) -> PolicyVerdict {
        Self.all(policies, trace, &context) ?? .sampled
    }

    /// What stands against the conjunction: `notSampled` or `failed`, whichever sub-policy says so first. Nil: nothing.
    static func all(
        _ policies: [any SamplingPolicy], _ trace: borrowing TraceSummary, _ context: inout DecisionContext
    ) -> PolicyVerdict? {
        for policy in policies {
            let verdict = policy.decide(trace, &context)
            if verdict == .notSampled || verdict == .failed { return verdict }
        }
        return nil
    }
}

package import ConfigTree

/// `any_of`: keeps traces that one of its sub-policies keeps.
///
/// Asked in order until one samples or vetoes. If none does and one failed, it fails; otherwise it does not sample.
package struct AnyOfPolicy: SamplingPolicy {
    package static let typeName = "any_of"

    package static var schema: PolicySchema {
        PolicySchema(
            "Keeps traces that one of its sub-policies keeps.", origin: .tailgate,
            fields: [PolicyField("any_of_sub_policy", .policyList, default: "[]", "The policies, asked in order until one keeps the trace.")],
            notes: "For use inside `and`, `not`, `drop` and `composite`; at the top level policies are alternatives anyhow.")
    }

    let policies: [any SamplingPolicy]

    package init?(_ block: inout ConfigReader, _ builder: inout PolicyBuilder) {
        policies = builder.policies(&block, "any_of_sub_policy").map(\.policy)
        if policies.isEmpty && !block.problems.hasErrors {
            block.error("at least one sub-policy is needed", key: "any_of_sub_policy")
        }
    }

    package var isStateful: Bool { policies.contains { $0.isStateful } }

    package func decide(_ trace: borrowing TraceSummary, _ context: inout DecisionContext) -> PolicyVerdict {
        var result = PolicyVerdict.notSampled
        for policy in policies {
            switch policy.decide(trace, &context) {
            case .sampled: return .sampled
            case .dropped: return .dropped
            case .failed: result = .failed
            case .notSampled: break
            }
        }
        return result
    }
}

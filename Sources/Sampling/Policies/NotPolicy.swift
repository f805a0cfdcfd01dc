package import ConfigTree

/// `not`: keeps the traces that its sub-policy does not keep. A failure stays a failure, a veto a veto.
package struct NotPolicy: SamplingPolicy {
    package static let typeName = "not"

    package static var schema: PolicySchema {
        PolicySchema(
            "Keeps the traces that its sub-policy does not keep.",
            fields: [PolicyField("not_sub_policy", .policy, "The policy.", isRequired: true)])
    }

    let policy: any SamplingPolicy

    package init?(_ block: inout ConfigReader, _ builder: inout PolicyBuilder) {
        guard block.has("not_sub_policy") else {
            _ = block.node("not_sub_policy")
            block.error("the policy to turn around is missing", key: "not_sub_policy")
            return nil
        }
        guard let built = builder.policy(&block, "not_sub_policy") else { return nil }
        policy = built.policy
    }

    package var isStateful: Bool { policy.isStateful }

    package func decide(_ trace: borrowing TraceSummary, _ context: inout DecisionContext) -> PolicyVerdict {
        switch policy.decide(trace, &context) {
        case .sampled: .notSampled
        case .notSampled: .sampled
        case .dropped: .dropped
        case .failed: .failed
        }
    }
}

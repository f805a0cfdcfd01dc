package import ConfigTree

/// `drop`: throws away the traces that all its sub-policies keep, whatever other policies say.
///
/// Drop policies are asked before all others. Without sub-policies it drops every trace, as in the Collector.
package struct DropPolicy: SamplingPolicy {
    package static let typeName = "drop"

    package static var schema: PolicySchema {
        PolicySchema(
            "Throws away the traces that all its sub-policies keep, whatever other policies say.",
            fields: [PolicyField("drop_sub_policy", .policyList, default: "[]", "The policies, asked in order.")],
            notes: "Drop policies are asked before all others. Without sub-policies every trace is dropped.")
    }

    let policies: [any SamplingPolicy]

    package init?(_ block: inout ConfigReader, _ builder: inout PolicyBuilder) {
        policies = builder.policies(&block, "drop_sub_policy").map(\.policy)
        if policies.isEmpty && !block.problems.hasErrors {
            block.warning("without sub-policies every trace is dropped", key: "drop_sub_policy")
        }
    }

    package var isStateful: Bool { policies.contains { $0.isStateful } }

    package func decide(_ trace: borrowing TraceSummary, _ context: inout DecisionContext) -> PolicyVerdict {
        AndPolicy.all(policies, trace, &context) ?? .dropped
    }
}

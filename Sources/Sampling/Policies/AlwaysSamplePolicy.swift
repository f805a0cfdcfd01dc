package import ConfigTree

/// `always_sample`: keeps every trace.
package struct AlwaysSamplePolicy: SamplingPolicy {
    package static let typeName = "always_sample"
    package static var schema: PolicySchema { PolicySchema("Keeps every trace.") }

    package init?(_ block: inout ConfigReader, _ builder: inout PolicyBuilder) {}

    package func decide(_ trace: borrowing TraceSummary, _ context: inout DecisionContext) -> PolicyVerdict {
        .sampled
    }
}

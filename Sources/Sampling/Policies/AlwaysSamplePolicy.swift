package import ConfigTree

/// `always_sample`: keeps every trace.
package struct AlwaysSamplePolicy: SamplingPolicy {
    package static let typeName = "always_sample"

    package init?(_ block: inout ConfigReader, predicates: inout PredicateCompiler) {}

    package func decide(_ trace: borrowing TraceSummary, _ context: inout DecisionContext) -> PolicyVerdict {
        .sampled
    }
}

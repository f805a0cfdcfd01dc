package import ConfigTree

/// `trace_flags`: keeps traces in which a span bears W3C's sampled flag.
package struct TraceFlagsPolicy: SamplingPolicy {
    package static let typeName = "trace_flags"
    package static var schema: PolicySchema { PolicySchema("Keeps traces in which a span bears the W3C sampled flag.") }

    package init?(_ block: inout ConfigReader, _ builder: inout PolicyBuilder) {}

    package func decide(_ trace: borrowing TraceSummary, _ context: inout DecisionContext) -> PolicyVerdict {
        trace.flags.contains(.hasW3CSampled) ? .sampled : .notSampled
    }
}

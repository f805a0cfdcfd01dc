/// Every policy type there is: one line each.
package enum PolicyCatalog {
    package static let types: [any SamplingPolicy.Type] = [
        AlwaysSamplePolicy.self,
        LatencyPolicy.self,
        ProbabilisticPolicy.self,
        StatusCodePolicy.self,
    ]

    /// Policy types that the Collector has and Tailgate has not yet, to be told apart from misspelt ones.
    package static let collectorOnlyTypes: [String] = [
        "numeric_attribute", "string_attribute", "boolean_attribute", "rate_limiting", "bytes_limiting",
        "span_count", "trace_state", "trace_flags", "ottl_condition", "and", "not", "drop", "composite",
    ]
}

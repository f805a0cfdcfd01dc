/// Every policy type there is: one line each.
package enum PolicyCatalog {
    package static let types: [any SamplingPolicy.Type] = [
        AlwaysSamplePolicy.self,
        LatencyPolicy.self,
        NumericAttributePolicy.self,
        ProbabilisticPolicy.self,
        StatusCodePolicy.self,
        StringAttributePolicy.self,
        BooleanAttributePolicy.self,
        RateLimitingPolicy.self,
        BytesLimitingPolicy.self,
        SpanCountPolicy.self,
        TraceStatePolicy.self,
        TraceFlagsPolicy.self,
        OTTLConditionPolicy.self,
        AndPolicy.self,
        NotPolicy.self,
        DropPolicy.self,
        CompositePolicy.self,
        AnyOfPolicy.self,
        RootSpanPolicy.self,
        FirstMatchPolicy.self,
        DynamicPolicy.self,
    ]

    private static let byName = Dictionary(uniqueKeysWithValues: types.map { ($0.typeName, $0) })

    /// The type with this name.
    package static func type(named name: String) -> (any SamplingPolicy.Type)? { byName[name] }
}

package import ConfigTree

/// `bytes_limiting`: keeps traces as long as their bytes fit into a rate; a token bucket, see `TokenBucket`.
///
/// A trace's bytes are those of its spans with their framing, and of each resource and scope once per request that brought them,
/// which is the protobuf size of the trace as the Collector stores it, give or take the few bytes of outer length prefixes.
package struct BytesLimitingPolicy: SamplingPolicy {
    package static let typeName = "bytes_limiting"

    package static var schema: PolicySchema {
        PolicySchema(
            "Keeps traces as long as their bytes fit into a rate per second.",
            fields: [
                PolicyField("bytes_per_second", .integer, default: "0", "The rate, over all workers of a node."),
                PolicyField(
                    "burst_capacity", .integer, default: "0",
                    "How many bytes may pass at once after a pause; 0 is twice the rate."),
                .scope,
            ],
            notes: "A trace's bytes are its spans and, once per request, their resources and scopes, as protobuf. A trace larger than the burst capacity passes when the bucket is full, and later traces pay for it.")
    }

    let bucket: TokenBucket

    package init?(_ block: inout ConfigReader, _ builder: inout PolicyBuilder) {
        let rate = Int64(block.integer("bytes_per_second", default: 0))
        let burst = Int64(block.integer("burst_capacity", default: 0))
        let capacity = LimiterBlock.capacity(burst, rate)
        let scope = builder.scope(&block, rate: (rate, "bytes_per_second"))
        LimiterBlock.warn(rate: rate, capacity: capacity, small: 64 << 10, "bytes", &block)
        bucket = builder.state(Self.typeName, settings: LimiterBlock.settings("\(rate),\(capacity)", scope)) {
            TokenBucket(rate: rate, capacity: capacity, scope: scope)
        }
        builder.predicates.needsEncodedSize = true
    }

    package var isStateful: Bool { true }

    package func decide(_ trace: borrowing TraceSummary, _ context: inout DecisionContext) -> PolicyVerdict {
        bucket.take(context.encodedBytes(of: trace), now: context.now, isPreview: context.isPreview) ? .sampled : .notSampled
    }
}

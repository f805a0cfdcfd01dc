package import ConfigTree

/// `rate_limiting`: keeps traces as long as their spans fit into a rate; a token bucket, see `TokenBucket`.
///
/// The rate is the node's, over all its workers, or the cluster's (`LimitScope`). Every trace that passes is paid for, also if another policy keeps it anyway.
package struct RateLimitingPolicy: SamplingPolicy {
    package static let typeName = "rate_limiting"

    package static var schema: PolicySchema {
        PolicySchema(
            "Keeps traces as long as their spans fit into a rate per second.",
            fields: [
                PolicyField("spans_per_second", .integer, default: "0", "The rate, over all workers of a node."),
                PolicyField(
                    "burst_capacity", .integer, default: "0",
                    "How many spans may pass at once after a pause; 0 is twice the rate."),
                .scope,
            ],
            notes: "A trace that passes is paid for even if another policy keeps it, too. A trace larger than the burst capacity passes when the bucket is full, and later traces pay for it.")
    }

    let bucket: TokenBucket

    package init?(_ block: inout ConfigReader, _ builder: inout PolicyBuilder) {
        let rate = Int64(block.integer("spans_per_second", default: 0))
        let burst = Int64(block.integer("burst_capacity", default: 0))
        let capacity = LimiterBlock.capacity(burst, rate)
        let scope = builder.scope(&block, rate: (rate, "spans_per_second"))
        LimiterBlock.warn(rate: rate, capacity: capacity, small: 100, "spans", &block)
        bucket = builder.state(Self.typeName, settings: LimiterBlock.settings("\(rate),\(capacity)", scope)) {
            TokenBucket(rate: rate, capacity: capacity, scope: scope)
        }
    }

    package var isStateful: Bool { true }

    package func decide(_ trace: borrowing TraceSummary, _ context: inout DecisionContext) -> PolicyVerdict {
        bucket.take(UInt64(trace.spanCount), now: context.now, isPreview: context.isPreview) ? .sampled : .notSampled
    }
}

/// What the limiting policies have in common.
enum LimiterBlock {
    /// Twice the rate if nothing is written.
    static func capacity(_ burst: Int64, _ rate: Int64) -> Int64 {
        if burst > 0 { return burst }
        let doubled = rate.multipliedReportingOverflow(by: 2)
        return doubled.overflow ? .max : max(0, doubled.partialValue)
    }

    /// What a policy's state is found again by.
    static func settings(_ settings: String, _ scope: LimitScope) -> String {
        scope == .node ? settings : "\(settings),\(scope)"
    }

    static func warn(rate: Int64, capacity: Int64, small: Int64, _ unit: String, _ block: inout ConfigReader) {
        if capacity <= 0 {
            block.warning("with a rate of 0 and no burst capacity nothing passes")
        } else if rate <= 0 {
            block.warning("with a rate of 0 the burst capacity of \(capacity) \(unit) is all that ever passes")
        } else if capacity < small {
            PolicyDeviations.warn(.largeTraceInBucket, &block, key: nil)
        }
    }
}

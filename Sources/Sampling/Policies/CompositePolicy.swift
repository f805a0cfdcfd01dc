package import ConfigTree

/// `composite`: shares a number of spans per second among sub-policies.
///
/// The sub-policies are asked in order of `composite_sub_policy`; the first that samples decides: if its own spans of this second and
/// this trace's fit into its allocation and into the total, the trace is kept, otherwise it is not (later sub-policies are not
/// asked). Counters start anew with every second, but for what a trace larger than a whole second's allocation took: such a trace
/// passes when its counter is empty and is paid for in the seconds after it, where the Collector would never keep it.
package struct CompositePolicy: SamplingPolicy {
    package static let typeName = "composite"

    package static var schema: PolicySchema {
        PolicySchema(
            "Shares a number of spans per second among sub-policies.",
            fields: [
                PolicyField("max_total_spans_per_second", .integer, default: "0", "What all sub-policies together may keep, over all workers of a node."),
                PolicyField("policy_order", .textList, default: "[]", "Accepted and ignored, as in the Collector: the order is that of `composite_sub_policy`."),
                PolicyField("composite_sub_policy", .policyList, default: "[]", "The policies, asked in order; the first that keeps the trace is charged for it."),
                PolicyField(
                    "rate_allocation",
                    .mapList([
                        PolicyField("policy", .text, "The sub-policy's name.", isRequired: true),
                        PolicyField("percent", .integer, default: "0", "Its part of the total; 0 is an equal part."),
                    ]), default: "[]", "The sub-policies' parts. One that is not named gets an equal part."),
                .scope,
            ], notes: "A trace that its sub-policy has no room for is not kept; later sub-policies are not asked.")
    }

    private struct Sub: Sendable {
        var name: String
        var number: Int
        var policy: any SamplingPolicy
        var allocation: Int64
    }

    private enum Limits: Sendable {
        case node(CompositeCounters)
        case cluster(CompositeBuckets)
    }

    private let subs: [Sub]
    private let limits: Limits

    package init?(_ block: inout ConfigReader, _ builder: inout PolicyBuilder) {
        let total = Int64(block.integer("max_total_spans_per_second", default: 0))
        let order = block.strings("policy_order")
        let built = builder.policies(&block, "composite_sub_policy")
        let shares = Self.shares(&block, names: built.map(\.name))
        let equal = built.isEmpty ? 0 : Double(total) / Double(built.count)
        var subs: [Sub] = []
        for sub in built {
            let allocation: Double
            switch shares[sub.name] {
            case .some(let percent) where percent > 0: allocation = Double(percent) / 100 * Double(total)
            case .some: allocation = equal
            case nil:
                allocation = equal
                PolicyDeviations.warn(.compositeWithoutAllocation, &block, key: "rate_allocation", about: "`\(sub.name)`")
            }
            subs.append(
                Sub(
                    name: sub.name, number: builder.compositeSubPolicy(sub.name), policy: sub.policy,
                    allocation: Int64(exactly: max(-9e18, min(9e18, allocation)).rounded(.towardZero)) ?? 0))
        }
        let scope = builder.scope(&block, rate: (total, "max_total_spans_per_second"), limits: subs.count)
        if total <= 0 { block.warning("with a total of 0 nothing is kept", key: "max_total_spans_per_second") }
        if subs.isEmpty && !block.problems.hasErrors {
            block.warning("without sub-policies nothing is kept", key: "composite_sub_policy")
        }
        if !order.isEmpty && order != built.map(\.name) {
            block.warning(
                "the order is that of composite_sub_policy: \(built.map(\.name).joined(separator: ", ")); policy_order is ignored, as in the Collector",
                key: "policy_order")
        }
        if let smallest = subs.map(\.allocation).min(), smallest > 0, smallest < 100 {
            PolicyDeviations.warn(.largeTraceInComposite, &block, key: "max_total_spans_per_second")
        }
        let settings = "\(total);" + subs.map { "\($0.name)=\($0.allocation)" }.joined(separator: ",")
        let limits = subs.map { min($0.allocation, total) }
        self.limits =
            switch scope {
            case .node: .node(builder.state(Self.typeName, settings: settings) { CompositeCounters(limits: limits) })
            case .cluster:
                .cluster(
                    builder.state(Self.typeName, settings: LimiterBlock.settings(settings, scope)) {
                        CompositeBuckets(zip(subs, limits).map { ($0.name, $1) })
                    })
            }
        self.subs = subs
    }

    private static func shares(_ block: inout ConfigReader, names: [String]) -> [String: Int] {
        var shares: [String: Int] = [:]
        for var entry in block.maps("rate_allocation") {
            let name = entry.string("policy", default: "")
            let percent = entry.integer("percent", default: 0)
            entry.finish()
            if !names.contains(name) && !block.problems.hasErrors {
                let hint = nearestName(to: name, among: names).map { "; did you mean `\($0)`?" } ?? ""
                entry.warning("there is no sub-policy `\(clipped(name))`, so this has no effect\(hint)", key: "policy")
            }
            shares[name] = percent
        }
        let sum = shares.values.reduce(0) { $0.addingReportingOverflow(max(0, $1)).partialValue }
        if sum > 100 {
            block.warning(
                "the parts add up to \(sum) %, so the sub-policies together may keep more than the total", key: "rate_allocation")
        }
        return shares
    }

    package var isStateful: Bool { true }

    private func hasRoom(_ trace: borrowing TraceSummary, _ position: Int, _ context: borrowing DecisionContext) -> Bool {
        switch limits {
        case .node(let counters):
            counters.take(
                Int64(trace.spanCount), position, second: context.now / 1_000_000_000, isPreview: context.isPreview)
        case .cluster(let buckets):
            buckets.take(UInt64(trace.spanCount), position, now: context.now, isPreview: context.isPreview)
        }
    }

    package func decide(_ trace: borrowing TraceSummary, _ context: inout DecisionContext) -> PolicyVerdict {
        for position in subs.indices {
            switch subs[position].policy.decide(trace, &context) {
            case .sampled:
                guard hasRoom(trace, position, context) else { return .notSampled }
                context.compositeSubPolicy = subs[position].number
                return .sampled
            case .dropped: return .dropped
            case .failed: return .failed
            case .notSampled: continue
            }
        }
        return .notSampled
    }
}


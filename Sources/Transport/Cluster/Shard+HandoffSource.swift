package import Cluster
internal import OTLP
package import Sampling

/// A shard, as hand-off takes traces and decisions out of it.
extension Shard: HandoffSource {
    /// Decisions older than this are handed over to nobody, seconds; `ClusterSettings.handoffDecisionAge` may be less.
    private static var oldestDecision: Int { 3600 }

    package mutating func moreDecisions(
        _ cursor: inout SweepCursor, limit: Int, now: Int64, _ visit: (HandoffDecision) -> Void
    ) -> Bool {
        sweepDecisions(&cursor, limit: limit, maximumAge: Self.oldestDecision, now: now) { id, decision, age in
            visit(
                HandoffDecision(
                    traceID: id, verdict: decision.verdict.rawValue, policy: decision.policy,
                    age: UInt32(truncatingIfNeeded: age)))
        }
        return !cursor.hasDecisionsEnded
    }

    package func describe(_ trace: MovedTrace, now: Int64) -> (trace: HandoffTrace, deadline: Int64, spans: Int) {
        let moved = HandoffTrace(
            traceID: trace.traceID, age: trace.age, remaining: trace.deadline - now,
            policyHash: contentHash(ofVersion: trace.policyVersion))
        return (moved, trace.deadline, trace.spanCount)
    }

    package func frontier(_ cursor: SweepCursor) -> Int64 { cursor.frontier }

    package func hasEnded(_ cursor: SweepCursor) -> Bool { cursor.hasEnded }
}

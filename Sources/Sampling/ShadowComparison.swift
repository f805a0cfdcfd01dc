package import OTLP

/// How the decisions of a shadow set differ from those in force. Owned by one shard; nothing of it has an effect.
package struct ShadowComparison: Sendable {
    /// A trace on which both disagree.
    package struct Difference: Sendable {
        package let traceID: TraceID
        package let live: Verdict
        package let shadow: Verdict
        /// Names of the deciding policies, nil where none decided.
        package let livePolicy: String?
        package let shadowPolicy: String?
        /// When both decided, monotonic nanoseconds.
        package let decidedAt: Int64
    }

    /// Differing traces that are remembered: the last ones.
    package static let maximumDifferences = 64

    private var counts = [Int](repeating: 0, count: 9)
    private var ring: [Difference] = []
    private var next = 0

    /// Traces with this pair of verdicts.
    package func traces(live: Verdict, shadow: Verdict) -> Int { counts[Self.cell(live, shadow)] }

    /// The differences that are remembered, oldest first.
    package var differences: [Difference] { Array(ring[next...] + ring[..<next]) }

    mutating func note(_ live: Decision, _ shadow: Decision, _ traceID: TraceID, _ version: PolicyVersion, now: Int64) {
        counts[Self.cell(live.verdict, shadow.verdict)] &+= 1
        guard live.verdict != shadow.verdict else { return }
        let difference = Difference(
            traceID: traceID, live: live.verdict, shadow: shadow.verdict,
            livePolicy: Self.name(live.policy, version.policies), shadowPolicy: Self.name(shadow.policy, version.shadow),
            decidedAt: now)
        if ring.count < Self.maximumDifferences {
            ring.append(difference)
        } else {
            ring[next] = difference
            next = (next + 1) % Self.maximumDifferences
        }
    }

    private static func name(_ policy: UInt16?, _ set: PolicySet?) -> String? {
        guard let policy, let set, Int(policy) < set.policies.count else { return nil }
        return set.policies[Int(policy)].name
    }

    private static func cell(_ live: Verdict, _ shadow: Verdict) -> Int { Int(live.rawValue) * 3 + Int(shadow.rawValue) }
}

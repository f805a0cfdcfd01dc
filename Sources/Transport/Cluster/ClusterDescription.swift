package import Cluster
package import Sampling

/// The cluster as a node sees it, for the admin endpoint and the metrics.
package struct ClusterDescription: Sendable {
    package var ring: HashRing?
    package var description: RingDescription
    package var lifecycle: NodeLifecycle
    package var ringEpoch: UInt64
    package var isAgreed: Bool
    package var isReady: Bool
    package var policyHash: UInt64
    /// Members that the resolver names, this node among them.
    package var listedMembers: Int
    /// Answers of the resolver since its last usable one.
    package var resolverFailures: Int
    /// Spans that came for a trace that had been decided without them.
    package var splitSpans: [HoldEnd: Int] = [:]
    /// Those of the policies in force first, and of those the newest ones.
    package var limits: [Limit]

    /// A limit whose rate the cluster shares.
    package struct Limit: Sendable {
        /// The path of its policy, and of which policies that is one.
        package var path: String
        package var role: PolicyRole
        /// Units per second that all nodes together may let through.
        package var goal: Double
        package var figures: BudgetFigures
    }

    init(_ core: ClusterCore, _ limits: [ClusterLimit], now: Int64) {
        ring = core.ring
        description = RingDescription(core, now: now)
        lifecycle = core.lifecycle
        ringEpoch = core.ringEpoch
        isAgreed = core.isAgreed
        isReady = core.isReady
        policyHash = core.policyHash
        listedMembers = core.membership.list.count
        resolverFailures = core.membership.resolverFailures
        self.limits = limits.map {
            Limit(path: $0.path, role: $0.role, goal: $0.limiter.goal, figures: core.budget.figures($0.key, now: now))
        }
        for end in HoldEnd.allCases { splitSpans[end] = core.inbound.splitSpans(end) }
    }
}

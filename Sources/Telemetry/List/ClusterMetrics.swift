/// How an attempt to hand something to a peer ended. The raw value is the label `outcome`.
package enum PeerOutcome: String, Sendable, CaseIterable {
    /// The peer holds it.
    case taken
    /// The peer said no.
    case refused
    /// No answer: the peer may hold it.
    case unknown
    /// There was no connection.
    case notSent = "not_sent"
}

/// Why spans came for a trace that had been decided without them. The raw value is the label `cause`.
package enum SplitCause: String, Sendable, CaseIterable {
    /// Nothing was waited for.
    case notHeld = "not_held"
    /// A peer's hand-off stood still.
    case noProgress = "no_progress"
    /// The trace had been held back for as long as any is.
    case maximumHold = "maximum_hold"
}

/// What a worker of a clustered node counts about its peers. Registered only where a cluster is configured.
package struct LaneMetrics: Sendable {
    package let forwards: LabelledCounters<PeerOutcome>
    /// Unit: microseconds.
    package let forwardDuration: HistogramID
    package let forwardedBytes: CounterID
    package let keptSpans: CounterID
    package let possiblyDuplicatedSpans: CounterID
    package let chunks: LabelledCounters<PeerOutcome>
    package let handedOffBytes: CounterID
    package let handedOffTraces: CounterID
    package let adoptedTraces: CounterID
    package let adoptedDecisions: CounterID
    package let conflictingDecisions: CounterID
    package let returnedSpans: CounterID
    package let custodyBytes: GaugeID
    package let custodyLimit: GaugeID
    package let handoffBytes: GaugeID
    package let isSweeping: GaugeID

    package init(in catalog: inout MetricCatalog) throws(MetricCatalogError) {
        typealias List = MetricList
        forwards = try catalog.counters(List.clusterForwards)
        forwardDuration = try catalog.histogram(List.clusterForwardDuration)
        forwardedBytes = try catalog.counter(List.clusterForwardedBytes)
        keptSpans = try catalog.counter(List.clusterKeptSpans)
        possiblyDuplicatedSpans = try catalog.counter(List.clusterPossiblyDuplicatedSpans)
        chunks = try catalog.counters(List.clusterChunks)
        handedOffBytes = try catalog.counter(List.clusterHandedOffBytes)
        handedOffTraces = try catalog.counter(List.clusterHandedOffTraces)
        adoptedTraces = try catalog.counter(List.clusterAdoptedTraces)
        adoptedDecisions = try catalog.counter(List.clusterAdoptedDecisions)
        conflictingDecisions = try catalog.counter(List.clusterConflictingDecisions)
        returnedSpans = try catalog.counter(List.clusterReturnedSpans)
        custodyBytes = try catalog.gauge(List.clusterCustodyBytes)
        custodyLimit = try catalog.gauge(List.clusterCustodyLimit)
        handoffBytes = try catalog.gauge(List.clusterHandoffBytes)
        isSweeping = try catalog.gauge(List.clusterSweeps)
    }
}

/// The cluster as a node sees it. Written by the scrape into cells of its own.
package struct ClusterMetrics: Sendable {
    package let members: GaugeID
    /// Names in the last usable answer of the resolver, this node's own among them.
    package let listed: GaugeID
    package let resolverFailures: GaugeID
    /// By name of the state, in the order in which the list came.
    package let peers: [(state: String, id: GaugeID)]
    package let ringVersion: GaugeID
    package let ringEpoch: GaugeID
    /// Unit: millionths.
    package let ringShare: GaugeID
    package let isAgreed: GaugeID
    package let differingPolicies: GaugeID
    package let splitSpans: LabelledCounters<SplitCause>

    /// - Parameter states: the names of the states that a peer can be in.
    package init(states: [String], in catalog: inout MetricCatalog) throws(MetricCatalogError) {
        typealias List = MetricList
        members = try catalog.gauge(List.clusterMembers)
        listed = try catalog.gauge(List.clusterListed)
        resolverFailures = try catalog.gauge(List.clusterResolverFailures)
        var peers: [(state: String, id: GaugeID)] = []
        for state in states { peers.append((state, try catalog.gauge(List.clusterPeers, state))) }
        self.peers = peers
        ringVersion = try catalog.gauge(List.clusterRingVersion)
        ringEpoch = try catalog.gauge(List.clusterRingEpoch)
        ringShare = try catalog.gauge(List.clusterRingShare)
        isAgreed = try catalog.gauge(List.clusterAgreed)
        differingPolicies = try catalog.gauge(List.clusterDifferingPolicies)
        splitSpans = try catalog.counters(List.clusterSplitSpans)
    }
}

/// A rate that the nodes share, as a node sees it. Registered by a scrape for itself alone: a rate that no policy has any more has
/// no series.
///
/// All of it is told in multiples of the rate, so that rates of spans and of bytes compare, and nodes add up. Unit: millionths.
package struct SharedRateMetrics: Sendable {
    package let share: GaugeID
    package let demand: GaugeID
    package let passed: GaugeID

    /// - Parameter policy: the path of its policy; of a composite's sub-policies each has a rate.
    package init(policy: String, in catalog: inout MetricCatalog) throws(MetricCatalogError) {
        share = try catalog.gauge(MetricList.clusterRateShare, policy)
        demand = try catalog.gauge(MetricList.clusterRateDemand, policy)
        passed = try catalog.gauge(MetricList.clusterRatePassed, policy)
    }
}

extension MetricList {
    static let clusterForwards = MetricFamily(
        "tailgate_cluster_forward_attempts_total", .counter, labels: ["outcome"],
        help: "Attempts to hand a batch of spans to the peer that owns their traces, by outcome.")
    static let clusterForwardDuration = MetricFamily(
        "tailgate_cluster_forward_duration_seconds",
        .histogram(bounds: [
            500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000,
        ]), unit: "seconds", decimalPlaces: 6,
        help: "Time from sending a batch to the peer that owns its traces to the answer, per attempt; clients wait for it.")
    static let clusterForwardedBytes = MetricFamily(
        "tailgate_cluster_forwarded_bytes_total", .counter, unit: "bytes",
        help: "Bytes of batches that peers have taken, before compression.")
    static let clusterKeptSpans = MetricFamily(
        "tailgate_cluster_kept_spans_total", .counter,
        help: "Spans that were to go to a peer and are decided here after all.")
    static let clusterPossiblyDuplicatedSpans = MetricFamily(
        "tailgate_cluster_possibly_duplicated_spans_total", .counter,
        help: "Spans given to another node though a peer that went silent may hold them.")
    static let clusterChunks = MetricFamily(
        "tailgate_cluster_handoff_attempts_total", .counter, labels: ["outcome"],
        help: "Attempts to hand a chunk of undecided traces to their new owner, by outcome.")
    static let clusterHandedOffBytes = MetricFamily(
        "tailgate_cluster_handed_off_bytes_total", .counter, unit: "bytes",
        help: "Bytes of chunks that peers have taken.")
    static let clusterHandedOffTraces = MetricFamily(
        "tailgate_cluster_handed_off_traces_total", .counter,
        help: "Undecided traces taken out for their new owner; those that came back since it was gone count, too.")
    static let clusterAdoptedTraces = MetricFamily(
        "tailgate_cluster_adopted_traces_total", .counter,
        help: "Undecided traces that came from another node.")
    static let clusterAdoptedDecisions = MetricFamily(
        "tailgate_cluster_adopted_decisions_total", .counter,
        help: "Decisions of other nodes that late spans follow here.")
    static let clusterConflictingDecisions = MetricFamily(
        "tailgate_cluster_conflicting_decisions_total", .counter,
        help: "Decisions of other nodes on traces that were decided otherwise here: split traces.")
    static let clusterReturnedSpans = MetricFamily(
        "tailgate_cluster_returned_spans_total", .counter,
        help: "Spans of chunks that no peer took.")
    static let clusterCustodyBytes = MetricFamily(
        "tailgate_cluster_custody_bytes", .gauge, unit: "bytes",
        help: "Bytes of spans on their way to the peers that own their traces.")
    static let clusterCustodyLimit = MetricFamily(
        "tailgate_cluster_custody_limit_bytes", .gauge, unit: "bytes",
        help: "Bytes of spans on their way to peers from which on requests are refused; each worker has its part.")
    static let clusterHandoffBytes = MetricFamily(
        "tailgate_cluster_handoff_backlog_bytes", .gauge, unit: "bytes",
        help: "Bytes of chunks that wait for their acknowledgement.")
    static let clusterSweeps = MetricFamily(
        "tailgate_cluster_handoff_sweeping_workers", .gauge,
        help: "Workers that look for traces to hand off.")
    static let clusterMembers = MetricFamily(
        "tailgate_cluster_ring_members", .gauge, help: "Nodes that own traces, as this node sees it.")
    static let clusterListed = MetricFamily(
        "tailgate_cluster_listed_members", .gauge, help: "Members that the resolver names.")
    static let clusterResolverFailures = MetricFamily(
        "tailgate_cluster_resolver_failures", .gauge,
        help: "Answers of the resolver since its last usable one: errors and empty lists. The last good list stays.")
    static let clusterPeers = MetricFamily(
        "tailgate_cluster_peers", .gauge, labels: ["state"], help: "Peers by state.")
    static let clusterRingVersion = MetricFamily(
        "tailgate_cluster_ring_version", .gauge,
        help: "The last 32 bits of the version of the ring in force: equal on nodes that route alike. 0 before the first ring.")
    static let clusterRingShare = MetricFamily(
        "tailgate_cluster_ring_share", .gauge, decimalPlaces: 6,
        help: "Part of all traces that this node owns, 0 ... 1.")
    static let clusterRingEpoch = MetricFamily(
        "tailgate_cluster_ring_epoch", .gauge, help: "How many rings this process has put in force.")
    static let clusterAgreed = MetricFamily(
        "tailgate_cluster_agreed", .gauge, help: "1 while all reachable peers have this node's ring, else 0.")
    static let clusterDifferingPolicies = MetricFamily(
        "tailgate_cluster_peers_with_other_policies", .gauge,
        help: "Reachable peers that judge by other policies than this node.")
    static let clusterRateShare = MetricFamily(
        "tailgate_cluster_rate_share_ratio", .gauge, decimalPlaces: 6, labels: ["policy"],
        help: "Part of a rate of scope cluster that this node may let through, 0 ... 1; together 1 over the nodes that share it.")
    static let clusterRateDemand = MetricFamily(
        "tailgate_cluster_rate_demand_ratio", .gauge, decimalPlaces: 6, labels: ["policy"],
        help: "What a policy of scope cluster is asked to let through here, averaged, as a multiple of the rate of the whole cluster.")
    static let clusterRatePassed = MetricFamily(
        "tailgate_cluster_rate_passed_ratio", .gauge, decimalPlaces: 6, labels: ["policy"],
        help: "What a policy of scope cluster lets through here, averaged, as a multiple of the rate of the whole cluster.")
    static let clusterSplitSpans = MetricFamily(
        "tailgate_cluster_split_spans_total", .counter, labels: ["cause"],
        help: "Spans handed over after their trace had been decided, by what ended the wait for them.")
}

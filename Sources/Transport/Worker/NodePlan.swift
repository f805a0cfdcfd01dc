package import Delivery
package import OTLP
package import Sampling
package import Telemetry

/// What all workers of a node are built from: immutable, shared.
package struct NodePlan: Sendable {
    package var workerCount: Int
    package var hashKeys: HashKeys
    package var shard: ShardSettings
    /// The policies that the node starts with.
    package var policies: PolicyInForce
    /// The traces pipelines, in the order of the configuration.
    package var pipelines: [TracePipelinePlan]
    /// The pipelines of metrics and logs.
    package var signalPipelines: [SignalPipelinePlan] = []
    /// By receiver.
    package var limits: [ServerLimits]
    /// By receiver; those left out speak gRPC alone.
    package var listeners: [ListenerSettings] = []
    package var metrics: NodeMetrics
    package var memory: MemoryBudget
    /// Which client took how much of it.
    package var shares: SharedClientShares
    package var security: SecurityPlan
    /// Names of the destinations, in the order of the ledger's cells.
    package var destinationNames: [String]
    /// Requests are refused while there are `ShardSettings.maximumTraces` traces (`block_on_overflow`); otherwise the oldest
    /// ones are decided early.
    package var refusesExcessTraces = false
    /// What refused clients are told to wait, nanoseconds.
    package var retryAfter: Int64 = 2_000_000_000
    /// How long decisions are held back while every destination's queue is full, nanoseconds.
    package var decisionHoldTimeout: Int64 = 5_000_000_000

    /// A node with one pipeline, which samples and leads from all listeners to all destinations; `pipelines` may be set later.
    package init(
        workerCount: Int, hashKeys: HashKeys, shard: ShardSettings, policies: PolicySet, batch: BatchSettings,
        limits: [ServerLimits], metrics: NodeMetrics, memory: MemoryBudget, destinationNames: [String],
        security: SecurityPlan? = nil
    ) {
        self.workerCount = workerCount
        self.hashKeys = hashKeys
        self.shard = shard
        self.policies = PolicyInForce(
            version: PolicyVersion(number: policies.version, policies: policies),
            book: PolicyBook(names: policies.policies.map(\.name), metrics: metrics), tuning: shard.tuning)
        pipelines = metrics.batches.prefix(1).map { batchMetrics in
            TracePipelinePlan(
                name: "traces", listeners: Set(limits.indices), isSampled: true, batch: batch, batchMetrics: batchMetrics,
                destinations: Array(destinationNames.indices))
        }
        self.limits = limits
        self.metrics = metrics
        self.memory = memory
        shares = SharedClientShares(halfLife: shard.tuning.decisionWait)
        self.destinationNames = destinationNames
        self.security = security ?? .open(listeners: limits.count)
    }

    /// Who counts a receiver's connections.
    func limiter(_ receiver: Int) -> ConnectionLimiter {
        listener(receiver).isForPeers ? security.peerLimiter : security.limiter
    }

    /// The traces pipelines as the ledger sees them.
    package var ledgerPipelines: [Ledger.Pipeline] {
        pipelines.map { Ledger.Pipeline(isSampled: $0.isSampled, destinations: $0.destinations) }
    }
    /// Most bytes that one export request can have.
    package var maximumRequestBytes: Int { pipelines.map(\.batch.maximumRequestBytes).max() ?? BatchSettings().maximumRequestBytes }

    /// What a receiver speaks.
    func listener(_ receiver: Int) -> ListenerSettings {
        receiver < listeners.count ? listeners[receiver] : ListenerSettings()
    }
}

/// What a reload changes, all of it at once: which policies decide, and how they are shown and counted. Immutable, shared by
/// all workers.
package struct PolicyInForce: Sendable {
    package var version: PolicyVersion
    /// Names and series of all policies so far, those of this version included.
    package var book: PolicyBook
    package var tuning: ShardSettings.Tuning
    /// Kept spans say on their scope which policy kept them (`record_policy`).
    package var recordsPolicy = false

    package init(version: PolicyVersion, book: PolicyBook, tuning: ShardSettings.Tuning, recordsPolicy: Bool = false) {
        self.version = version
        self.book = book
        self.tuning = tuning
        self.recordsPolicy = recordsPolicy
    }
}

package import Delivery
package import OTLP
package import Sampling
package import Telemetry

/// What all workers of a node are built from: immutable, shared.
package struct NodePlan: Sendable {
    package var workerCount: Int
    package var hashKeys: HashKeys
    package var shard: ShardSettings
    package var policies: PolicySet
    package var batch: BatchSettings
    /// By receiver.
    package var limits: [ServerLimits]
    /// By receiver; those left out speak gRPC alone.
    package var listeners: [ListenerSettings] = []
    package var metrics: NodeMetrics
    package var memory: MemoryBudget
    package var security: SecurityPlan
    /// Names of the destinations, in the order of the ledger's cells.
    package var destinationNames: [String]
    /// What refused clients are told to wait, nanoseconds.
    package var retryAfter: Int64 = 2_000_000_000
    /// How long decisions are held back while every destination's queue is full, nanoseconds.
    package var decisionHoldTimeout: Int64 = 5_000_000_000

    package init(
        workerCount: Int, hashKeys: HashKeys, shard: ShardSettings, policies: PolicySet, batch: BatchSettings,
        limits: [ServerLimits], metrics: NodeMetrics, memory: MemoryBudget, destinationNames: [String],
        security: SecurityPlan? = nil
    ) {
        self.workerCount = workerCount
        self.hashKeys = hashKeys
        self.shard = shard
        self.policies = policies
        self.batch = batch
        self.limits = limits
        self.metrics = metrics
        self.memory = memory
        self.destinationNames = destinationNames
        self.security = security ?? .open(listeners: limits.count)
    }

    /// What a receiver speaks.
    func listener(_ receiver: Int) -> ListenerSettings {
        receiver < listeners.count ? listeners[receiver] : ListenerSettings()
    }
}

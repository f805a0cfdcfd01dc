package import Delivery
package import Processing
package import Telemetry

/// A traces pipeline as workers run it: from whom it takes spans, whether they wait for a decision, and where they go. Immutable.
package struct TracePipelinePlan: Sendable {
    /// Its id in the configuration.
    package var name: String
    /// Indexes of the listeners that feed it; those for peers are not among them.
    package var listeners: Set<Int>
    /// Its spans wait in the window for their traces' decisions. At most one pipeline of a node.
    package var isSampled: Bool
    /// What is done with requests before their spans are judged or passed on; nil: nothing.
    package var before: ProcessorChain?
    /// What is done with batches of sampled spans; nil: nothing.
    package var after: ProcessorChain?
    package var batch: BatchSettings
    package var batchMetrics: BatchMetrics
    /// Places in `NodePlan.destinationNames`, ascending.
    package var destinations: [Int]

    package init(
        name: String, listeners: Set<Int>, isSampled: Bool, batch: BatchSettings, batchMetrics: BatchMetrics,
        destinations: [Int]
    ) {
        self.name = name
        self.listeners = listeners
        self.isSampled = isSampled
        self.batch = batch
        self.batchMetrics = batchMetrics
        self.destinations = destinations
    }
}

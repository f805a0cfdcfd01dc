/// What the series of a node depend on.
package struct NodeMetricsSettings: Sendable {
    package var version: String
    package var swiftVersion: String
    /// Tells nodes of one service apart: host name and port, or a configured id.
    package var instanceID: String
    package var workerCount: Int
    /// Receivers with their transports, such as (`otlp`, `grpc`).
    package var receivers: [(receiver: String, transport: String)] = [("otlp", "grpc")]
    /// Policies under the name that their label shows.
    package var policyNames: [String] = []
    /// Exporters in the order of the ledger's cells.
    package var destinations: [DestinationIdentity] = []
    /// Destinations of metrics and logs.
    package var passThrough: [PassThroughIdentity] = []
    /// Ids of the batch processors of the traces pipelines, in the order of the pipelines; pipelines may share one.
    package var batchProcessors = ["batch"]
    /// Id of the memory limiter, nil if none is configured.
    package var memoryLimiter: String?
    package var allocatorName = "jemalloc"
    package var allocatorVersion: String
    package var hasFDLimit = true
    package var hasVirtualMemoryLimit = false
    /// Names of the states that a peer can be in; nil: the node is no part of a cluster.
    package var peerStates: [String]?

    package init(
        version: String, swiftVersion: String, instanceID: String, workerCount: Int,
        allocatorVersion: String
    ) {
        self.version = version
        self.swiftVersion = swiftVersion
        self.instanceID = instanceID
        self.workerCount = workerCount
        self.allocatorVersion = allocatorVersion
    }
}

/// All series of a node: the layout, and the places that workers and scrape write to.
package struct NodeMetrics: Sendable {
    package let layout: MetricLayout
    /// In the order of `NodeMetricsSettings.receivers`.
    package let receivers: [ReceiverMetrics]
    package let ingress: IngressMetrics
    package let security: SecurityMetrics
    package let sampling: SamplingMetrics
    /// In the order of `NodeMetricsSettings.policyNames`.
    package let policies: [PolicyMetrics]
    /// In the order of `NodeMetricsSettings.batchProcessors`.
    package let batches: [BatchMetrics]
    /// In the order of `NodeMetricsSettings.destinations`.
    package let destinations: [DestinationMetrics]
    /// In the order of `NodeMetricsSettings.passThrough`. Their unit is the request.
    package let passThrough: [DestinationMetrics]
    /// nil if no memory limiter is configured.
    package let memoryLimiter: MemoryLimiterMetrics?
    /// By worker. Unit: nanoseconds. Each is written by its own worker only.
    package let workerBusyTime: [CounterID]
    package let process: ProcessMetrics
    package let ledger: LedgerMetrics
    package let reloads: ReloadMetrics
    /// nil if the node is no part of a cluster.
    package let lanes: LaneMetrics?
    package let cluster: ClusterMetrics?

    /// - Parameter present: the layout in force, when a new configuration is taken over; its cells
    ///   keep their places.
    package init(
        _ settings: NodeMetricsSettings, extending present: MetricLayout = MetricLayout()
    ) throws(MetricCatalogError) {
        var catalog = MetricCatalog(extending: present)
        try catalog.info(
            MetricList.targetInfo, "tailgate", settings.version, settings.instanceID)
        try catalog.info(MetricList.buildInfo, settings.version, settings.swiftVersion)
        try catalog.info(
            MetricList.allocatorInfo, settings.allocatorName, settings.allocatorVersion)
        var receivers: [ReceiverMetrics] = []
        for (receiver, transport) in settings.receivers {
            receivers.append(
                try ReceiverMetrics(receiver: receiver, transport: transport, in: &catalog))
        }
        self.receivers = receivers
        ingress = try IngressMetrics(in: &catalog)
        security = try SecurityMetrics(in: &catalog)
        memoryLimiter =
            if let id = settings.memoryLimiter {
                try MemoryLimiterMetrics(processor: id, in: &catalog)
            } else { nil }
        sampling = try SamplingMetrics(in: &catalog)
        var policies: [PolicyMetrics] = []
        for policy in settings.policyNames {
            policies.append(try PolicyMetrics(policy: policy, in: &catalog))
        }
        self.policies = policies
        var batchesByID: [String: BatchMetrics] = [:]
        var batches: [BatchMetrics] = []
        for id in settings.batchProcessors {
            if batchesByID[id] == nil { batchesByID[id] = try BatchMetrics(processor: id, in: &catalog) }
            if let metrics = batchesByID[id] { batches.append(metrics) }
        }
        self.batches = batches
        var destinations: [DestinationMetrics] = []
        for destination in settings.destinations {
            destinations.append(try DestinationMetrics(destination, in: &catalog))
        }
        self.destinations = destinations
        var passThrough: [DestinationMetrics] = []
        for identity in settings.passThrough {
            passThrough.append(try DestinationMetrics(identity, in: &catalog))
        }
        self.passThrough = passThrough
        ledger = try LedgerMetrics(
            destinationNames: settings.destinations.map(\.name), in: &catalog)
        reloads = try ReloadMetrics(in: &catalog)
        var workers: [CounterID] = []
        for worker in 0..<settings.workerCount {
            workers.append(try catalog.counter(MetricList.workerBusyTime, "\(worker)"))
        }
        workerBusyTime = workers
        process = try ProcessMetrics(
            hasFDLimit: settings.hasFDLimit,
            hasVirtualMemoryLimit: settings.hasVirtualMemoryLimit, in: &catalog)
        if let states = settings.peerStates {
            lanes = try LaneMetrics(in: &catalog)
            cluster = try ClusterMetrics(states: states, in: &catalog)
        } else {
            lanes = nil
            cluster = nil
        }
        layout = catalog.layout()
    }
}

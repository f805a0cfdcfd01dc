package import ConfigTree
internal import Cluster
internal import Delivery
internal import NativeCore
internal import NIOCore
internal import Processing
internal import OTLP
internal import Sampling
internal import Telemetry
internal import Transport

/// Turns a checked configuration into what workers and destinations are built from.
package enum NodePlanner {
    /// Compiles the policies alone, for `validate`: problems go to `problems`.
    package static func check(_ config: GatewayConfig, _ problems: ConfigProblems) {
        _ = policySets(config, version: 1, problems, PolicyMemory())
    }

    /// What live and shadow policies remember; apart, so that neither pays for the other.
    struct PolicyMemory: Sendable {
        let live = PolicyStates()
        let shadow = PolicyStates(.shadow)
    }

    /// The policy sets of a configuration; nil if there is an error, which then is in `problems`.
    static func policySets(
        _ gateway: GatewayConfig, version: UInt16, _ problems: ConfigProblems, _ memory: PolicyMemory
    ) -> (live: PolicySet, shadow: PolicySet?)? {
        // Without sampling there is a set of no policies.
        let config = gateway.tailSampling ?? unsampled
        var live = PolicySet(
            version: version, nodes: config.policies, keyPath: config.policiesKeyPath, problems: problems,
            states: memory.live)
        live?.stopsAtFirstMatch = config.sampleOnFirstMatch
        if config.isSpanIngest, let stateful = live?.statefulPolicies.first {
            let position = config.policies.first?.position ?? SourcePosition(file: "", line: 1, column: 1)
            problems.error(
                "sampling_strategy \"span-ingest\" requires all policies to be stateless, but policy \"\(stateful)\" is stateful",
                at: position, keyPath: config.policiesKeyPath)
        }
        var shadow: PolicySet?
        if !config.shadowPolicies.isEmpty {
            shadow = PolicySet(
                version: version, nodes: config.shadowPolicies, keyPath: config.shadowPoliciesKeyPath,
                problems: problems, states: memory.shadow, sharing: live)
            shadow?.stopsAtFirstMatch = config.sampleOnFirstMatch
        }
        if gateway.cluster == nil {
            for place in (live?.clusterScopes ?? []) + (shadow?.clusterScopes ?? []) {
                problems.warning(
                    "`extensions.cluster` is not in use: this node is alone, and has the whole rate", at: place.position,
                    keyPath: place.keyPath)
            }
        }
        guard let live, !problems.hasErrors else { return nil }
        return (live, shadow)
    }

    /// The name that a policy's metrics bear: with a component name before it, as the Collector does.
    static func metricName(_ policy: String, _ id: ComponentID) -> String {
        id.name.isEmpty ? policy : "\(id.name).\(policy)"
    }

    static func plan(
        _ config: GatewayConfig, options: GatewayOptions, process: ProcessStatistics, workers: Int,
        security: NodeSecurity, memory policyMemory: PolicyMemory = PolicyMemory(), environment: DetectionEnvironment
    ) throws(GatewayError) -> NodePlan {
        let traces = config.pipelines(of: .traces)
        let exporters = config.exporters(of: .traces)
        let sampling = config.tailSampling ?? unsampled
        let limiter = config.memoryLimiter(ofTotalBytes: totalMemory(process))
        let problems = ConfigProblems()
        guard let (policies, shadow) = policySets(config, version: 1, problems, policyMemory) else {
            throw GatewayError(ProblemReport.text(problems))
        }
        var names = NodeMetricsSettings(
            version: options.version, swiftVersion: swiftVersion, instanceID: options.instanceID,
            workerCount: workers, allocatorVersion: AllocatorStatistics.version() ?? "none")
        if AllocatorStatistics.version() == nil { names.allocatorName = "system" }
        let listeners = ListenerConfig.all(of: config)
        names.receivers = listeners.filter { !$0.settings.isForPeers }.map { ("\($0.receiver)", $0.transport) }
        names.passThrough = SignalBuilder.identities(config)
        names.policyNames = policies.policies.map { metricName($0.name, sampling.id) }
        names.destinations = exporters.map(identity)
        names.batchProcessors = traces.map { $0.batch.map { "\($0.id)" } ?? "batch" }
        names.memoryLimiter = limiter.map { "\($0.id)" }
        if config.cluster != nil { names.peerStates = PeerState.allCases.map(\.rawValue) }
        names.hasFDLimit = process.maxFDs != nil
        names.hasVirtualMemoryLimit = process.maxVirtualBytes != nil
        let metrics: NodeMetrics
        do {
            metrics = try NodeMetrics(names)
        } catch {
            throw GatewayError("\(error); use fewer policies or exporters")
        }
        let (soft, hard) = memoryLimits(limiter, process)
        var generator = SystemRandomNumberGenerator()
        let shard = shardSettings(sampling, workers: workers, memory: hard)
        let batches = traces.map { batchSettings($0.batch) }
        var plan = NodePlan(
            workerCount: workers, hashKeys: HashKeys(using: &generator), shard: shard, policies: policies,
            batch: BatchSettings(), limits: listeners.map(\.limits), metrics: metrics,
            memory: MemoryBudget(
                limitBytes: hard, softLimitBytes: soft,
                fixedBytes: MemoryBounds.fixedParts(shard, batches, workers: workers).reduce(0) { $0 + $1.bytes }),
            destinationNames: exporters.map { "\($0.id)" },
            security: security.plan(
                listeners, DescriptorBudget(config, limit: process.maxFDs, workers: workers)))
        let book = PolicyBook(names: policies.policies.map(\.name), metrics: metrics)
        plan.policies = inForce(policies, shadow, number: 1, book, sampling)
        var needs = DetectionNeeds()
        plan.pipelines = zip(traces, metrics.batches).map { pipeline, batchMetrics in
            var made = TracePipelinePlan(
                name: "\(pipeline.id)", listeners: places(of: pipeline, in: listeners), isSampled: pipeline.tailSampling != nil,
                batch: batchSettings(pipeline.batch), batchMetrics: batchMetrics, destinations: places(of: pipeline, in: exporters))
            (made.before, made.after) = pipeline.chains(environment, problems, &needs)
            return made
        }
        plan.signalPipelines = SignalBuilder.pipelines(config, listeners, environment, problems)
        // A detector that fails stops the start, as in the Collector.
        if problems.hasErrors { throw GatewayError(ProblemReport.text(problems)) }
        plan.refusesExcessTraces = sampling.blockOnOverflow && sampling.numTraces != nil
        plan.listeners = listeners.map(\.settings)
        return plan
    }

    /// What workers take over: the sets under a version's number, entered into the book.
    static func inForce(
        _ live: PolicySet, _ shadow: PolicySet?, number: UInt16, _ known: PolicyBook, _ config: TailSamplingConfig
    ) -> PolicyInForce {
        var book = known
        let numbers = book.numbers(of: live.policies.map(\.name)) { metricName($0, config.id) }
        let shadowNumbers = shadow.map { book.shadowNumbers(of: $0.policies.map(\.name)) }
        let version = PolicyVersion(
            number: number, policies: live, shadow: shadow, policyNumbers: numbers, shadowNumbers: shadowNumbers)
        return PolicyInForce(
            version: version, book: book, tuning: tuning(config), recordsPolicy: config.recordPolicy)
    }

    /// What of the settings may change while the node runs.
    static func tuning(_ config: TailSamplingConfig) -> ShardSettings.Tuning {
        var tuning = ShardSettings.Tuning()
        tuning.decisionWait = config.decisionWait
        tuning.decisionWaitAfterRootReceived = config.decisionWaitAfterRootReceived
        tuning.maximumTraceBytes = config.maximumTraceSizeBytes
        return tuning
    }

    /// What stands for `tail_sampling` where no pipeline samples: no policies, and no caches.
    private static var unsampled: TailSamplingConfig {
        var config = TailSamplingConfig(id: ComponentID(type: "tail_sampling"))
        config.sampledCacheSize = 0
        config.nonSampledCacheSize = 0
        config.decisionRecords = 0
        return config
    }

    /// The indexes of the listeners that feed a pipeline.
    static func places(of pipeline: PipelineConfig, in listeners: [ListenerConfig]) -> Set<Int> {
        Set(listeners.indices.filter { !listeners[$0].settings.isForPeers && pipeline.receivers.contains(listeners[$0].receiver) })
    }

    /// The places of a pipeline's exporters among those of its signal.
    static func places(of pipeline: PipelineConfig, in exporters: [ExporterConfig]) -> [Int] {
        exporters.indices.filter { pipeline.exporters.contains(exporters[$0].id) }
    }

    /// Of the machine or the cgroup, bytes.
    private static func totalMemory(_ process: ProcessStatistics) -> Int {
        process.memoryLimit ?? process.totalMemory ?? 4 << 30
    }

    /// Without a `memory_limiter`: 90 % of what the machine or cgroup has, and requests are refused from four fifths of
    /// that on.
    private static func memoryLimits(_ config: MemoryLimiterConfig?, _ process: ProcessStatistics) -> (Int, Int) {
        let total = totalMemory(process)
        if let config {
            let limits = config.limits(ofTotalBytes: total)
            return (limits.soft, limits.hard)
        }
        let hard = total / 10 * 9
        return (hard / 5 * 4, hard)
    }

    private static func shardSettings(_ config: TailSamplingConfig, workers: Int, memory: Int) -> ShardSettings {
        var settings = ShardSettings()
        settings.tuning = tuning(config)
        settings.maximumTraces = config.numTraces.map { max(1, $0 / workers) } ?? 0
        settings.isSpanIngest = config.isSpanIngest
        settings.decisionRecords = (config.decisionRecords + workers - 1) / workers
        settings.maximumBytes = memory
        settings.sampledCacheSize = (config.sampledCacheSize ?? settings.sampledCacheSize) / workers
        settings.notSampledCacheSize = (config.nonSampledCacheSize ?? settings.notSampledCacheSize) / workers
        return settings
    }

    static func batchSettings(_ config: BatchConfig?) -> BatchSettings {
        var settings = BatchSettings()
        if let config {
            settings.timeout = config.timeout
            settings.sendBatchSize = config.sendBatchSize
            settings.sendBatchMaxSize = config.sendBatchMaxSize
        }
        return settings
    }

    static func identity(_ exporter: ExporterConfig) -> DestinationIdentity {
        if case .otlp(let config) = exporter.kind, case .host(let address) = config.client.endpoint {
            return DestinationIdentity(
                name: "\(exporter.id)", serverAddress: address.host, serverPort: address.port)
        }
        return DestinationIdentity(name: "\(exporter.id)")
    }

    private static var swiftVersion: String {
        #if swift(>=6.3)
            "6.3"
        #else
            "6"
        #endif
    }
}

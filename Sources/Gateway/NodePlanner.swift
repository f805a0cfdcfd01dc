package import ConfigTree
internal import Delivery
internal import NativeCore
internal import NIOCore
internal import OTLP
internal import Sampling
internal import Telemetry
internal import Transport

/// Turns a checked configuration into what workers and destinations are built from.
package enum NodePlanner {
    /// Compiles the policies alone, for `validate`: problems go to `problems`.
    package static func check(_ config: GatewayConfig, _ problems: ConfigProblems) {
        _ = policySet(config.pipeline.tailSampling, problems)
    }

    static func policySet(_ config: TailSamplingConfig, _ problems: ConfigProblems) -> PolicySet? {
        var set = PolicySet(
            version: 1, nodes: config.policies, keyPath: config.policiesKeyPath, problems: problems)
        set?.stopsAtFirstMatch = config.sampleOnFirstMatch
        return set
    }

    /// The name that a policy's metrics bear: with a component name before it, as the Collector does.
    private static func metricName(_ policy: String, _ id: ComponentID) -> String {
        id.name.isEmpty ? policy : "\(id.name).\(policy)"
    }

    static func plan(
        _ config: GatewayConfig, options: GatewayOptions, process: ProcessStatistics, workers: Int,
        security: NodeSecurity
    ) throws(GatewayError) -> NodePlan {
        let pipeline = config.pipeline
        let problems = ConfigProblems()
        guard let policies = policySet(pipeline.tailSampling, problems) else {
            throw GatewayError(ProblemReport.text(problems))
        }
        var names = NodeMetricsSettings(
            version: options.version, swiftVersion: swiftVersion, instanceID: options.instanceID,
            workerCount: workers, allocatorVersion: AllocatorStatistics.version() ?? "none")
        if AllocatorStatistics.version() == nil { names.allocatorName = "system" }
        let listeners = ListenerConfig.all(of: config)
        names.receivers = listeners.map { ("\($0.receiver)", $0.transport) }
        names.passThrough = PassThroughBuilder.identities(config)
        names.policyNames = policies.policies.map { metricName($0.name, pipeline.tailSampling.id) }
        names.destinations = pipeline.exporters.map(identity)
        names.batchProcessor = pipeline.batch.map { "\($0.id)" } ?? "batch"
        names.memoryLimiter = pipeline.memoryLimiter.map { "\($0.id)" }
        names.hasFDLimit = process.maxFDs != nil
        names.hasVirtualMemoryLimit = process.maxVirtualBytes != nil
        let metrics: NodeMetrics
        do {
            metrics = try NodeMetrics(names)
        } catch {
            throw GatewayError("\(error); use fewer policies or exporters")
        }
        let (soft, hard) = memoryLimits(pipeline.memoryLimiter, process)
        var generator = SystemRandomNumberGenerator()
        var plan = NodePlan(
            workerCount: workers, hashKeys: HashKeys(using: &generator),
            shard: shardSettings(pipeline.tailSampling, workers: workers, memory: hard), policies: policies,
            batch: batchSettings(pipeline.batch), limits: listeners.map(\.limits), metrics: metrics,
            memory: MemoryBudget(limitBytes: hard, softLimitBytes: soft),
            destinationNames: pipeline.exporters.map { "\($0.id)" },
            security: security.plan(listeners.map(\.limits), maximumFileDescriptors: process.maxFDs))
        plan.listeners = listeners.map(\.settings)
        return plan
    }

    /// Without a `memory_limiter`: 90 % of what the machine or cgroup has, and requests are refused from four fifths of
    /// that on.
    private static func memoryLimits(_ config: MemoryLimiterConfig?, _ process: ProcessStatistics) -> (Int, Int) {
        let total = process.memoryLimit ?? process.totalMemory ?? 4 << 30
        if let config {
            let limits = config.limits(ofTotalBytes: total)
            return (limits.soft, limits.hard)
        }
        let hard = total / 10 * 9
        return (hard / 5 * 4, hard)
    }

    private static func shardSettings(_ config: TailSamplingConfig, workers: Int, memory: Int) -> ShardSettings {
        var settings = ShardSettings()
        settings.decisionWait = config.decisionWait
        settings.decisionWaitAfterRootReceived = config.decisionWaitAfterRootReceived
        settings.maximumBytes = memory
        settings.sampledCacheSize = (config.sampledCacheSize ?? settings.sampledCacheSize) / workers
        settings.notSampledCacheSize = (config.nonSampledCacheSize ?? settings.notSampledCacheSize) / workers
        return settings
    }

    private static func batchSettings(_ config: BatchConfig?) -> BatchSettings {
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

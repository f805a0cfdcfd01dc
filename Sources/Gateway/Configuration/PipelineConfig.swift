package import ConfigTree
internal import OTLP
internal import Processing

/// Which telemetry a pipeline carries.
package enum PipelineSignal: String, Sendable, CaseIterable {
    case traces, metrics, logs
}

/// One entry of `service.pipelines`: whose telemetry it takes, what is done with it, and where it goes.
package struct PipelineConfig: Sendable, Equatable {
    /// `traces`, `metrics/name`, ...
    package var id: ComponentID
    package var signal: PipelineSignal
    /// At least one; see `GatewayConfig.receivers`.
    package var receivers: [ComponentID]
    package var memoryLimiter: MemoryLimiterConfig?
    /// Before sampling, or all of them without it, in their order.
    package var before: [ProcessorConfig] = []
    /// Behind sampling, in their order.
    package var after: [ProcessorConfig] = []
    /// Nil: everything passes. Of traces pipelines alone.
    package var tailSampling: TailSamplingConfig?
    /// Nil if the pipeline has no batch processor: then `BatchConfig`'s defaults hold, as spans are always assembled into requests.
    package var batch: BatchConfig?
    /// At least one; see `GatewayConfig.exporters`.
    package var exporters: [ComponentID]

    package init(id: ComponentID, signal: PipelineSignal, receivers: [ComponentID], exporters: [ComponentID]) {
        self.id = id
        self.signal = signal
        self.receivers = receivers
        self.exporters = exporters
    }
}

/// A processor of `ProcessorCatalog` as it stands in the configuration.
package struct ProcessorConfig: Sendable, Equatable {
    package var id: ComponentID
    /// Its block.
    package var node: ConfigNode

    package init(id: ComponentID, node: ConfigNode) {
        self.id = id
        self.node = node
    }
}

extension PipelineConfig {
    /// The chains before and behind sampling; nil where there is nothing to do, or where an error was reported.
    ///
    /// - Parameters:
    ///   - environment: nil: the settings are only checked.
    ///   - needs: learns which facts about the host the processors read.
    func chains(
        _ environment: DetectionEnvironment?, _ problems: ConfigProblems, _ needs: inout DetectionNeeds
    ) -> (before: ProcessorChain?, after: ProcessorChain?) {
        (
            chain(before, isBehindBuffer: false, environment, problems, &needs),
            chain(after, isBehindBuffer: true, environment, problems, &needs)
        )
    }

    private func chain(
        _ processors: [ProcessorConfig], isBehindBuffer: Bool, _ environment: DetectionEnvironment?, _ problems: ConfigProblems,
        _ needs: inout DetectionNeeds
    ) -> ProcessorChain? {
        guard !processors.isEmpty else { return nil }
        var builder = ProcessorBuilder(
            signal: signal.otlp, isBehindBuffer: isBehindBuffer, isBeforeTailSampling: tailSampling != nil && !isBehindBuffer,
            environment: environment)
        var built: [BuiltProcessor] = []
        for processor in processors {
            guard let one = ProcessorCatalog.build("\(processor.id)", processor.node, &builder, problems) else { continue }
            if !one.contextKeys.isEmpty {
                problems.error(
                    "`from_context` is not in Tailgate yet: client metadata is not passed on", at: processor.node.position,
                    keyPath: "processors.\(processor.id)")
            }
            needs.merge(one.needs)
            built.append(one)
        }
        guard let chain = ProcessorChain(built, builder) else {
            if let first = processors.first {
                problems.error(
                    "`\(id)` has more than \(ProcessorChain.maximumSpanStages) steps that look at spans; make it two nodes",
                    at: first.node.position, keyPath: "service.pipelines.\(id).processors")
            }
            return nil
        }
        return chain.isEmpty ? nil : chain
    }
}

extension DetectionNeeds {
    /// What several processors need, together.
    mutating func merge(_ other: DetectionNeeds) {
        for source in other.hostnameSources where !hostnameSources.contains(source) { hostnameSources.append(source) }
        hostDetails = hostDetails || other.hostDetails
        docker = docker || other.docker
        timeout = max(timeout, other.timeout)
    }

    /// Whether anything has to be looked at.
    var isEmpty: Bool { hostnameSources.isEmpty && !hostDetails && !docker }
}

extension GatewayConfig {
    /// What the processors of all pipelines read of the host.
    func detectionNeeds() -> DetectionNeeds {
        var needs = DetectionNeeds()
        for pipeline in pipelines { _ = pipeline.chains(nil, ConfigProblems(), &needs) }
        return needs
    }
}

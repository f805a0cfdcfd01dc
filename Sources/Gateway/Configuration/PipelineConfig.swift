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

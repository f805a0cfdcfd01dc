internal import ConfigTree
package import Transport

/// A whole configuration, checked: what a node runs with.
///
/// Every duration is in nanoseconds, every size in bytes unless its name says otherwise. Components that are defined but
/// not in use have been checked too, and left out.
package struct GatewayConfig: Sendable, Equatable {
    /// The one traces pipeline.
    package var pipeline: PipelineConfig
    /// Metrics and logs that are passed on untouched.
    package var passThrough: [PassThroughConfig] = []
    /// Nil if `service.extensions` does not name it.
    package var healthCheck: HealthCheckConfig?
    package var telemetry: TelemetryConfig
    /// The authenticators that `service.extensions` names.
    package var authenticators: [AuthExtensionConfig] = []
    /// Nil: the node is alone.
    package var cluster: ClusterConfig?
    /// `service.shutdown_timeout`, a key of Tailgate's own: how long after the last decision the queues may take to
    /// empty before a stopping node gives up and counts the rest as lost. Default 30 s.
    package var shutdownTimeout: Int64

    package init(
        pipeline: PipelineConfig, healthCheck: HealthCheckConfig?, telemetry: TelemetryConfig, shutdownTimeout: Int64
    ) {
        self.pipeline = pipeline
        self.healthCheck = healthCheck
        self.telemetry = telemetry
        self.shutdownTimeout = shutdownTimeout
    }

    /// How long a node may take from SIGTERM to its end, nanoseconds: windows or hand-off, queues, and five seconds for clients to leave
    /// and for everything to close.
    package var longestStop: Int64 {
        let windows = max(pipeline.tailSampling.drainTimeout, cluster?.drainTimeout ?? 0)
        let (sum, overflow) = windows.addingReportingOverflow(shutdownTimeout)
        return overflow || sum > .max - 5_000_000_000 ? .max : sum + 5_000_000_000
    }
}

/// What `service.pipelines.traces` puts together.
package struct PipelineConfig: Sendable, Equatable {
    /// `traces` or `traces/name`.
    package var id: ComponentID
    /// At least one.
    package var receivers: [OTLPReceiverConfig]
    package var memoryLimiter: MemoryLimiterConfig?
    package var tailSampling: TailSamplingConfig
    /// Nil if the pipeline has no batch processor: then `BatchConfig`'s defaults are right, as kept traces are always
    /// assembled into requests.
    package var batch: BatchConfig?
    /// At least one.
    package var exporters: [ExporterConfig]

    package init(
        id: ComponentID, receivers: [OTLPReceiverConfig], memoryLimiter: MemoryLimiterConfig?,
        tailSampling: TailSamplingConfig, batch: BatchConfig?, exporters: [ExporterConfig]
    ) {
        self.id = id
        self.receivers = receivers
        self.memoryLimiter = memoryLimiter
        self.tailSampling = tailSampling
        self.batch = batch
        self.exporters = exporters
    }
}

/// A `metrics` or `logs` pipeline: what its receivers take goes to its exporters as it came.
package struct PassThroughConfig: Sendable, Equatable {
    package var id: ComponentID
    package var signal: Signal
    /// Receivers of the traces pipeline.
    package var receivers: [ComponentID]
    /// OTLP exporters, at least one.
    package var exporters: [ExporterConfig]

    package enum Signal: String, Sendable, CaseIterable {
        case metrics, logs
    }

    package init(id: ComponentID, signal: Signal, receivers: [ComponentID], exporters: [ExporterConfig]) {
        self.id = id
        self.signal = signal
        self.receivers = receivers
        self.exporters = exporters
    }
}

/// `extensions.health_check`.
package struct HealthCheckConfig: Sendable, Equatable {
    package var id = ComponentID(type: "health_check")
    package var endpoint = NetworkAddress(host: "localhost", port: 13_133)
    package var path = "/"
    /// Nil: plain HTTP.
    package var tls: TLSSettings?

    /// Every value at its default.
    package init() {}
}

extension HealthCheckConfig {
    init(_ id: ComponentID, _ reader: inout ConfigReader) {
        self.id = id
        endpoint = reader.listenAddress("endpoint", default: endpoint)
        path = reader.string("path", default: path)
        if !path.hasPrefix("/") { reader.error("\"\(clipped(path))\" is no path; it must begin with `/`", key: "path") }
        tls = TLSConfig.server(&reader, protocols: ["http/1.1"])
        reader.notSupported(
            ["response_body", "check_collector_pipeline", "auth", "cors", "response_headers", "middlewares"],
            because: "the health endpoint answers 200 or 503 with a fixed body; leave the key out")
        reader.finish()
    }
}

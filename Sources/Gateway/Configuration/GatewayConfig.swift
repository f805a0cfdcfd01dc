internal import ConfigTree
package import Transport

/// A whole configuration, checked: what a node runs with.
///
/// Every duration is in nanoseconds, every size in bytes unless its name says otherwise. Components that are defined but
/// not in use have been checked too, and left out.
package struct GatewayConfig: Sendable, Equatable {
    /// In the order of the file, at least one. At most one of them samples.
    package var pipelines: [PipelineConfig]
    /// The receivers that pipelines name, each once, in the order of their first naming.
    package var receivers: [OTLPReceiverConfig]
    /// The same of exporters.
    package var exporters: [ExporterConfig]
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
        pipelines: [PipelineConfig], receivers: [OTLPReceiverConfig], exporters: [ExporterConfig],
        healthCheck: HealthCheckConfig?, telemetry: TelemetryConfig, shutdownTimeout: Int64
    ) {
        self.pipelines = pipelines
        self.receivers = receivers
        self.exporters = exporters
        self.healthCheck = healthCheck
        self.telemetry = telemetry
        self.shutdownTimeout = shutdownTimeout
    }

    /// The pipelines of one signal, in the order of the file.
    package func pipelines(of signal: PipelineSignal) -> [PipelineConfig] { pipelines.filter { $0.signal == signal } }

    /// The exporters that pipelines of one signal lead to, in the order of `exporters`. Each has one queue for the signal, however
    /// many pipelines name it.
    package func exporters(of signal: PipelineSignal) -> [ExporterConfig] {
        let named = Set(pipelines(of: signal).flatMap(\.exporters))
        return exporters.filter { named.contains($0.id) }
    }

    /// The settings of the processor that samples; nil: everything passes.
    package var tailSampling: TailSamplingConfig? { pipelines.lazy.compactMap(\.tailSampling).first }

    /// The node has one memory: of several limiters the one with the least limit counts.
    ///
    /// - Parameter total: the memory that the machine or the cgroup has, bytes.
    package func memoryLimiter(ofTotalBytes total: Int) -> MemoryLimiterConfig? {
        pipelines.compactMap(\.memoryLimiter).min { $0.limits(ofTotalBytes: total).soft < $1.limits(ofTotalBytes: total).soft }
    }

    /// How long a node may take from SIGTERM to its end, nanoseconds: windows or hand-off, queues, and five seconds for clients to leave
    /// and for everything to close.
    package var longestStop: Int64 {
        let windows = max(tailSampling?.drainTimeout ?? 0, cluster?.drainTimeout ?? 0)
        let (sum, overflow) = windows.addingReportingOverflow(shutdownTimeout)
        return overflow || sum > .max - 5_000_000_000 ? .max : sum + 5_000_000_000
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

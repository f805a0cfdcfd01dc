internal import ConfigTree
internal import Delivery
internal import OTLP
internal import Processing
internal import Telemetry
internal import Transport

/// Builds the pipelines of metrics and logs: their destinations, and every worker's way to them.
///
/// An exporter has one destination, and with it one queue, for each of these signals, however many pipelines name it.
enum SignalBuilder {
    private static let signals: [PipelineSignal] = [.metrics, .logs]

    /// The destinations in their order: that of `NodeMetrics.passThrough`.
    static func destinations(_ config: GatewayConfig) -> [(signal: PipelineSignal, exporter: ExporterConfig)] {
        signals.flatMap { signal in config.exporters(of: signal).map { (signal, $0) } }
    }

    static func identities(_ config: GatewayConfig) -> [PassThroughIdentity] {
        destinations(config).map { PassThroughIdentity(destination: NodePlanner.identity($1), signal: $0.rawValue) }
    }

    /// What workers run.
    static func pipelines(
        _ config: GatewayConfig, _ listeners: [ListenerConfig], _ environment: DetectionEnvironment, _ problems: ConfigProblems
    ) -> [SignalPipelinePlan] {
        var needs = DetectionNeeds()
        let all = destinations(config)
        return config.pipelines.filter { $0.signal != .traces }.map { pipeline in
            var made = SignalPipelinePlan(
                name: "\(pipeline.id)", signal: pipeline.signal.otlp, listeners: NodePlanner.places(of: pipeline, in: listeners),
                batch: pipeline.batch.map { NodePlanner.batchSettings($0) },
                destinations: all.indices.filter {
                    all[$0].signal == pipeline.signal && pipeline.exporters.contains(all[$0].exporter.id)
                })
            made.chain = pipeline.chains(environment, problems, &needs).before
            return made
        }
    }

    /// Gives every destination a home, one worker after the other from the last one on, since the first have those of traces.
    static func connect(
        _ workers: [WorkerHandle], _ config: GatewayConfig, _ builder: DestinationBuilder
    ) async throws {
        var routes: [DestinationRoute] = []
        for (number, (signal, exporter)) in destinations(config).enumerated() {
            guard case .otlp(let settings) = exporter.kind else { continue }
            routes.append(
                try await workers[workers.count - 1 - number % workers.count].run { parts in
                    let destination = builder.make(
                        settings, id: exporter.id, number: number, signal: signal.otlp, home: parts.server.worker)
                    parts.passThrough.append(destination)
                    return DestinationRoute(destination)
                })
        }
        guard !routes.isEmpty else { return }
        for worker in workers {
            let routes = routes
            try await worker.run { $0.server.worker.connectSignals(routes) }
        }
    }
}

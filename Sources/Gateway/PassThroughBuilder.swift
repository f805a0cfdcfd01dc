internal import Delivery
internal import OTLP
internal import Telemetry
internal import Transport

/// Builds the destinations of metrics and logs, and every worker's way to them.
enum PassThroughBuilder {
    /// Destinations in the order of pipelines and exporters: the order of `NodeMetrics.passThrough`.
    static func identities(_ config: GatewayConfig) -> [PassThroughIdentity] {
        config.passThrough.flatMap { pipeline in
            pipeline.exporters.map {
                PassThroughIdentity(destination: NodePlanner.identity($0), signal: pipeline.signal.rawValue)
            }
        }
    }

    /// Gives every destination a home, one worker after the other from the last one on, since the first have those of traces.
    static func connect(
        _ workers: [WorkerHandle], _ config: GatewayConfig, _ builder: DestinationBuilder
    ) async throws {
        var routes: [OTLPSignal: [DestinationRoute]] = [:]
        var number = 0
        for pipeline in config.passThrough {
            for exporter in pipeline.exporters {
                guard case .otlp(let settings) = exporter.kind else { continue }
                let signal = pipeline.signal.otlp
                let place = number
                let route = try await workers[workers.count - 1 - number % workers.count].run { parts in
                    let destination = builder.make(
                        settings, id: exporter.id, number: place, signal: signal, home: parts.server.worker)
                    parts.passThrough.append(destination)
                    return DestinationRoute(destination)
                }
                routes[signal, default: []].append(route)
                number += 1
            }
        }
        guard !routes.isEmpty else { return }
        for worker in workers {
            let routes = routes
            try await worker.run { $0.server.worker.connectPassThrough(routes) }
        }
    }
}

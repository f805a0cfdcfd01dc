internal import OTLP
internal import Transport

/// One port or socket that the node listens on: a receiver's protocol.
struct ListenerConfig: Sendable {
    var receiver: ComponentID
    /// The label `transport` of its metrics.
    var transport: String
    var endpoint: ListenEndpoint
    var limits: ServerLimits
    var settings: ListenerSettings
    var guards: ListenerGuardsConfig

    /// All listeners of a node, in the order of the receivers, gRPC before HTTP. Their place is the index of their metrics and
    /// limits. The one for peers, which has no metrics of its own, is the last.
    static func all(of config: GatewayConfig) -> [ListenerConfig] {
        var listeners: [ListenerConfig] = []
        for receiver in config.receivers {
            var settings = ListenerSettings()
            settings.signals = []
            for pipeline in config.pipelines where pipeline.receivers.contains(receiver.id) {
                settings.signals.insert(SignalSet(pipeline.signal.otlp))
            }
            if let grpc = receiver.grpc {
                listeners.append(
                    ListenerConfig(
                        receiver: receiver.id, transport: "grpc", endpoint: grpc.endpoint, limits: limits(grpc),
                        settings: settings, guards: grpc.guards))
            }
            if let http = receiver.http {
                settings.http = Self.settings(http)
                listeners.append(
                    ListenerConfig(
                        receiver: receiver.id, transport: "http", endpoint: http.endpoint, limits: limits(http),
                        settings: settings, guards: http.guards))
            }
        }
        if let cluster = config.cluster { listeners.append(cluster.listener) }
        return listeners
    }

    private static func settings(_ config: HTTPServerConfig) -> HTTPListenerSettings {
        var settings = HTTPListenerSettings()
        settings.tracesPath = config.tracesPath
        settings.metricsPath = config.metricsPath
        settings.logsPath = config.logsPath
        settings.keepsAlive = config.keepsAlive
        settings.codings = config.codings
        settings.responseFields = config.responseHeaders.map { HTTPField(name: $0.name, value: $0.value) }
        if let cors = config.cors, !cors.allowedOrigins.isEmpty {
            settings.crossOrigin = CrossOriginRules(
                allowedOrigins: cors.allowedOrigins, allowedHeaders: cors.allowedHeaders,
                exposedHeaders: cors.exposedHeaders, maximumAge: cors.maxAge)
        }
        return settings
    }

    private static func limits(_ config: HTTPServerConfig) -> ServerLimits {
        var limits = ServerLimits()
        limits.maximumMessageBytes = config.maxRequestBodyBytes
        limits.requestTimeout = config.readTimeout
        limits.firstRequestTimeout = config.readHeaderTimeout
        limits.writeTimeout = config.writeTimeout
        limits.idleTimeout = config.idleTimeout
        config.guards.limits.apply(to: &limits)
        return limits
    }

    private static func limits(_ config: GRPCServerConfig) -> ServerLimits {
        var limits = ServerLimits()
        limits.maximumMessageBytes = config.maxReceiveMessageBytes
        if let streams = config.maxConcurrentStreams { limits.maximumConcurrentStreams = streams }
        let keepalive = config.keepalive
        limits.idleTimeout = keepalive.maxConnectionIdle ?? 0
        limits.maximumConnectionAge = keepalive.maxConnectionAge ?? 0
        limits.maximumConnectionAgeGrace = keepalive.maxConnectionAgeGrace ?? 0
        limits.keepaliveTime = keepalive.time
        limits.keepaliveTimeout = keepalive.timeout
        if let interval = keepalive.minimumPingInterval {
            limits.minimumPingInterval = interval
            limits.permitsPingsWithoutStream = keepalive.permitWithoutStream
        }
        config.guards.limits.apply(to: &limits)
        return limits
    }
}

extension PipelineSignal {
    var otlp: OTLPSignal {
        switch self {
        case .traces: .traces
        case .metrics: .metrics
        case .logs: .logs
        }
    }
}

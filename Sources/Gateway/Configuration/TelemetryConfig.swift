internal import ConfigTree
package import Transport

/// `service.telemetry`: what the node says about itself.
package struct TelemetryConfig: Sendable, Equatable {
    package var logLevel = LogLevel.info
    package var metricsLevel = MetricsLevel.normal
    /// Where `/metrics` and its neighbours are served. Default `127.0.0.1:8888`.
    package var metricsAddress = NetworkAddress(host: "127.0.0.1", port: 8888)

    /// What guards that address: `service.telemetry.admin`, a key of Tailgate's own.
    package var admin = AdminGuardsConfig()

    package enum LogLevel: String, Sendable, CaseIterable {
        case debug, info, warn, error
    }

    package enum MetricsLevel: String, Sendable, CaseIterable {
        case none, basic, normal, detailed
    }

    /// Every value at its default.
    package init() {}
}

/// `service.telemetry.admin`: who may look at the admin endpoint. `/healthz` and `/readyz` stay open, as probes have no
/// credentials.
package struct AdminGuardsConfig: Sendable, Equatable {
    /// Nil: everybody who reaches it.
    package var auth: AuthReference?
    /// Nil: plain HTTP.
    package var tls: TLSSettings?

    /// Everybody, plain HTTP.
    package init() {}
}

extension AdminGuardsConfig {
    init(_ reader: inout ConfigReader) {
        auth = AuthReference.read(&reader)
        tls = TLSConfig.server(&reader, protocols: ["http/1.1"])
        reader.finish()
    }
}

extension TelemetryConfig {
    init(_ reader: inout ConfigReader) {
        if var logs = reader.map("logs") {
            logLevel = logs.levelOf("level", default: logLevel)
            logs.notSupported(
                [
                    "development", "encoding", "disable_caller", "disable_stacktrace", "sampling", "output_paths",
                    "error_output_paths", "initial_fields", "processors",
                ], because: "logs go to standard error, one line each; leave the key out")
            logs.finish()
        }
        if var metrics = reader.map("metrics") {
            metricsLevel = metrics.levelOf("level", default: metricsLevel)
            readAddress(&metrics)
            metrics.notSupported(["views"], because: "leave the key out")
            metrics.finish()
        }
        if var section = reader.map("admin") { admin = AdminGuardsConfig(&section) }
        if metricsLevel != .none, !metricsAddress.isLoopback, admin.auth == nil {
            reader.warning(
                "\(metricsAddress) can be reached from other machines, and shows figures and traces to everybody; write `admin: {auth: {authenticator: ...}}`, or an address of this machine alone",
                key: "metrics")
        }
        reader.notSupported(["traces"], because: "the node does not trace itself; leave the key out")
        reader.notSupported(
            ["resource"], because: "the node's own metrics carry no resource attributes; leave the key out")
        reader.finish()
    }

    private mutating func readAddress(_ metrics: inout ConfigReader) {
        metricsAddress = metrics.listenAddress("address", default: metricsAddress)
        let readers = metrics.maps("readers")
        if readers.count > 1 {
            metrics.error("several readers are not in Tailgate yet; keep one `pull` reader", key: "readers")
        }
        guard var reader = readers.first else { return }
        if metrics.has("address") {
            metrics.error("`address` and `readers` say the same in two ways; keep `readers`", key: "address")
        }
        reader.notSupported(
            ["periodic"], because: "metrics are pulled from `/metrics`; write `pull: {exporter: {prometheus: ...}}`")
        if var pull = reader.map("pull") {
            if var exporter = pull.map("exporter") {
                if var prometheus = exporter.map("prometheus") {
                    metricsAddress.host = prometheus.string("host", default: metricsAddress.host)
                    metricsAddress.port = prometheus.integer("port", default: metricsAddress.port, in: 0...65_535)
                    for key in ["without_type_suffix", "without_units", "without_scope_info"]
                    where !prometheus.bool(key, default: true) {
                        prometheus.error("`\(key): false` is not in Tailgate yet; leave the key out", key: key)
                    }
                    prometheus.notSupported(["with_resource_constant_labels"], because: "leave the key out")
                    prometheus.finish()
                } else {
                    exporter.error("`prometheus` is missing; write `prometheus: {host: 127.0.0.1, port: 8888}`")
                }
                exporter.finish()
            } else {
                pull.error("`exporter` is missing; write `exporter: {prometheus: {host: 127.0.0.1, port: 8888}}`")
            }
            pull.finish()
        } else if !reader.has("periodic") {
            reader.error("`pull` is missing; write `pull: {exporter: {prometheus: {host: 127.0.0.1, port: 8888}}}`")
        }
        reader.finish()
    }
}

extension ConfigReader {
    /// A level in lower or upper case, as in the Collector.
    fileprivate mutating func levelOf<Choice: RawRepresentable & CaseIterable>(_ key: String, default fallback: Choice)
        -> Choice
    where Choice.RawValue == String {
        if case .scalar(let scalar)? = node(key)?.value, let choice = Choice(rawValue: scalar.text.lowercased()) {
            return choice
        }
        return oneOf(key, default: fallback)
    }
}

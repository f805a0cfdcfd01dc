internal import ConfigTree

/// Reads `service` and puts together what its pipelines and its extensions name.
struct ServiceReader {
    let components: Components
    let problems: ConfigProblems

    init(_ components: Components, _ problems: ConfigProblems) {
        self.components = components
        self.problems = problems
    }

    /// Nil if no pipeline can be put together, which is then reported.
    func read(_ service: inout ConfigReader) -> GatewayConfig? {
        let extensions = resolve(service.placedStrings("extensions"), .extension, components.extensions)
        let healthChecks: [HealthCheckConfig] = extensions.compactMap {
            if case .healthCheck(let config)? = $0.config { config } else { nil }
        }
        if healthChecks.count > 1 {
            service.error("several health_check extensions are not in Tailgate yet; keep one", key: "extensions")
        }
        let clusters: [ClusterConfig] = extensions.compactMap { if case .cluster(let config)? = $0.config { config } else { nil } }
        if clusters.count > 1 { service.error("a node is in one cluster; keep one of them", key: "extensions") }
        reportUnused(components.extensions, extensions.map(\.id), "service.extensions")
        var telemetry = TelemetryConfig()
        if var section = service.map("telemetry") { telemetry = TelemetryConfig(&section) }
        let shutdownTimeout = service.duration("shutdown_timeout", default: 30_000_000_000, in: 0...3_600_000_000_000)
        let pipelines = readPipelines(&service)
        service.finish()
        guard !pipelines.isEmpty else { return nil }
        let authenticators: [AuthExtensionConfig] = extensions.compactMap {
            if case .auth(let config)? = $0.config { config } else { nil }
        }
        var config = GatewayConfig(
            pipelines: pipelines, receivers: inUse(components.receivers, pipelines.flatMap(\.receivers)),
            exporters: inUse(components.exporters, pipelines.flatMap(\.exporters)), healthCheck: healthChecks.first,
            telemetry: telemetry, shutdownTimeout: shutdownTimeout)
        config.authenticators = authenticators
        config.cluster = clusters.first
        checkReferences(config, extensions.map(\.id))
        return config
    }

    /// Every `authenticator` must be an extension that runs, and of the right side.
    private func checkReferences(_ config: GatewayConfig, _ running: [ComponentID]) {
        let known = config.authenticators
        var server: [AuthReference?] = config.receivers.flatMap { [$0.grpc?.guards.auth, $0.http?.guards.auth] }
        server.append(config.telemetry.admin.auth)
        server.append(config.cluster?.auth)
        for reference in server.compactMap(\.self) {
            check(reference, running, known) { $0.server == nil ? "has no `htpasswd`: it is for exporters" : nil }
        }
        if let reference = config.cluster?.auth {
            check(reference, running, known) { $0.client == nil ? "has nothing to show to peers" : nil }
        }
        for exporter in config.exporters {
            guard case .otlp(let settings) = exporter.kind, let reference = settings.client.auth else { continue }
            check(reference, running, known) { $0.client == nil ? "has no `client_auth`: it is for receivers" : nil }
        }
    }

    private func check(
        _ reference: AuthReference, _ running: [ComponentID], _ known: [AuthExtensionConfig],
        _ wrong: (AuthExtensionConfig) -> String?
    ) {
        func fail(_ message: String) {
            problems.error(message, at: reference.position, keyPath: reference.keyPath)
        }
        if let config = known.first(where: { $0.id == reference.id }) {
            // What is broken in itself has been reported.
            if config.server != nil || config.client != nil, let wrong = wrong(config) { fail("`\(reference.id)` \(wrong)") }
        } else if components.extensions.contains(where: { $0.id == reference.id }) {
            if !running.contains(reference.id) {
                fail("`\(reference.id)` does not run; add it to `service.extensions`")
            } else if reference.id.type == "health_check" || reference.id.type == ClusterConfig.type {
                fail("`\(reference.id)` is no authenticator; `bearertokenauth` and `basicauth` are")
            }
        } else {
            let names = components.extensions.map { "\($0.id)" }
            let nearest = nearestName(to: "\(reference.id)", among: names).map { "; did you mean `\($0)`?" } ?? ";"
            fail("`\(reference.id)` is not defined\(nearest) `extensions` defines \(names.isEmpty ? "nothing" : names.joined(separator: ", "))")
        }
    }

    /// The components that a list names, in its order. What is not defined or named twice is reported.
    func resolve<Config>(
        _ references: [PlacedText], _ kind: ComponentKind, _ defined: [Defined<Config>]
    ) -> [Defined<Config>] {
        var found: [Defined<Config>] = []
        for reference in references {
            func fail(_ message: String) { problems.error(message, at: reference.position, keyPath: reference.keyPath) }
            guard let id = ComponentID(parsing: reference.text) else {
                fail("\"\(clipped(reference.text))\" is no component; write `type` or `type/name`")
                continue
            }
            if found.contains(where: { $0.id == id }) {
                fail("`\(id)` is named twice; keep one of them")
            } else if let component = defined.first(where: { $0.id == id }) {
                found.append(component)
            } else if !kind.supported.contains(id.type) {
                fail(kind.explain(unsupported: id.type))
            } else {
                let nearest =
                    nearestName(to: "\(id)", among: defined.map { "\($0.id)" }).map { "; did you mean `\($0)`?" } ?? ";"
                let names = defined.isEmpty ? "nothing" : defined.map { "\($0.id)" }.joined(separator: ", ")
                fail("`\(id)` is not defined\(nearest) `\(kind.section)` defines \(names)")
            }
        }
        return found
    }

    /// The settings of components that are named, each once, in the order of their first naming.
    private func inUse<Config>(_ defined: [Defined<Config>], _ named: [ComponentID]) -> [Config] {
        var seen: Set<ComponentID> = []
        return named.filter { seen.insert($0).inserted }.compactMap { id in defined.first { $0.id == id }?.config }
    }

    func reportUnused<Config>(_ defined: [Defined<Config>], _ used: [ComponentID], _ place: String) {
        for component in defined where component.config != nil && !used.contains(component.id) {
            problems.warning(
                "`\(component.id)` is defined but not in use; name it in `\(place)` or leave it out",
                at: component.keyPosition,
                keyPath: component.keyPath)
        }
    }
}

internal import ConfigTree

/// Reads `service` and puts together what its pipeline and its extensions name.
struct ServiceReader {
    private let components: Components
    private let problems: ConfigProblems

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
        let (pipeline, passThrough) = readPipelines(&service)
        service.finish()
        guard let pipeline else { return nil }
        let authenticators: [AuthExtensionConfig] = extensions.compactMap {
            if case .auth(let config)? = $0.config { config } else { nil }
        }
        checkReferences(pipeline, passThrough, telemetry, clusters.first, extensions.map(\.id), authenticators)
        var config = GatewayConfig(
            pipeline: pipeline, healthCheck: healthChecks.first, telemetry: telemetry,
            shutdownTimeout: shutdownTimeout)
        config.authenticators = authenticators
        config.passThrough = passThrough
        config.cluster = clusters.first
        return config
    }

    /// Every `authenticator` must be an extension that runs, and of the right side.
    private func checkReferences(
        _ pipeline: PipelineConfig, _ passThrough: [PassThroughConfig], _ telemetry: TelemetryConfig, _ cluster: ClusterConfig?,
        _ running: [ComponentID], _ known: [AuthExtensionConfig]
    ) {
        var server: [AuthReference?] = pipeline.receivers.flatMap { [$0.grpc?.guards.auth, $0.http?.guards.auth] }
        server.append(telemetry.admin.auth)
        server.append(cluster?.auth)
        for reference in server.compactMap(\.self) {
            check(reference, running, known) { $0.server == nil ? "has no `htpasswd`: it is for exporters" : nil }
        }
        if let reference = cluster?.auth {
            check(reference, running, known) { $0.client == nil ? "has nothing to show to peers" : nil }
        }
        for exporter in pipeline.exporters + passThrough.flatMap(\.exporters) {
            guard case .otlp(let config) = exporter.kind, let reference = config.client.auth else { continue }
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

    private func readPipelines(_ service: inout ConfigReader) -> (PipelineConfig?, [PassThroughConfig]) {
        guard var section = service.map("pipelines") else {
            service.error(
                "`pipelines` is missing; write `pipelines: {traces: {receivers: [...], processors: [...], exporters: [...]}}`"
            )
            return (nil, [])
        }
        var pipelines: [(id: ComponentID, entry: ConfigEntry)] = []
        var others: [(id: ComponentID, signal: PassThroughConfig.Signal, entry: ConfigEntry)] = []
        for entry in section.keys {
            let id = ComponentID(parsing: entry.key)
            if let id, id.type == "traces" {
                pipelines.append((id, entry))
                continue
            }
            if let id, let signal = PassThroughConfig.Signal(rawValue: id.type) {
                others.append((id, signal, entry))
                continue
            }
            let message =
                id?.type == "profiles"
                ? "profiles are not in Tailgate yet; leave this pipeline to a Collector"
                : "unknown pipeline `\(clipped(entry.key))`; write `traces`, `metrics` or `logs`, or one of these with a /name"
            problems.error(message, at: entry.keyPosition, keyPath: section.path(of: entry.key))
        }
        guard let first = pipelines.first else {
            section.error(
                "there is no traces pipeline; write `traces: {receivers: [...], processors: [...], exporters: [...]}`")
            return (nil, [])
        }
        for extra in pipelines.dropFirst() {
            problems.error(
                "several traces pipelines are not in Tailgate yet; keep one", at: extra.entry.keyPosition,
                keyPath: section.path(of: extra.entry.key))
        }
        var passThrough: [PassThroughConfig] = []
        for other in others {
            guard var reader = section.map(other.entry.key) else { continue }
            passThrough.append(readPassThrough(other.id, other.signal, &reader))
        }
        guard var reader = section.map(first.entry.key) else { return (nil, []) }
        let pipeline = readPipeline(first.id, &reader, pipelines.count, passThrough.flatMap { $0.exporters.map(\.id) })
        if let pipeline { check(passThrough, pipeline, &section) }
        return (pipeline, passThrough)
    }

    /// A pipeline whose data is not looked into.
    private func readPassThrough(
        _ id: ComponentID, _ signal: PassThroughConfig.Signal, _ reader: inout ConfigReader
    ) -> PassThroughConfig {
        let receivers = resolve(references("receivers", &reader), .receiver, components.receivers)
        if !reader.placedStrings("processors").isEmpty {
            reader.error(
                "\(signal.rawValue) are passed on untouched, so this pipeline can't have processors; leave the key out (memory is limited all the same)",
                key: "processors")
        }
        var exporters: [ExporterConfig] = []
        for exporter in resolve(references("exporters", &reader), .exporter, components.exporters) {
            guard let config = exporter.config else { continue }
            if case .otlp(let settings) = config.kind, settings.backend == .otlp {
                exporters.append(config)
            } else {
                reader.error(
                    "`\(exporter.id)` can't take \(signal.rawValue); an `otlp` exporter can", key: "exporters")
            }
        }
        reader.finish()
        return PassThroughConfig(id: id, signal: signal, receivers: receivers.map(\.id), exporters: exporters)
    }

    /// What pass-through pipelines and the traces pipeline have to agree on.
    private func check(_ passThrough: [PassThroughConfig], _ pipeline: PipelineConfig, _ section: inout ConfigReader) {
        for (number, other) in passThrough.enumerated() {
            for receiver in other.receivers where !pipeline.receivers.contains(where: { $0.id == receiver }) {
                section.error(
                    "`\(other.id)` has the receiver `\(receiver)`, which `\(pipeline.id)` has not; a receiver without traces is not in Tailgate yet",
                    key: "\(other.id)")
            }
            if passThrough[..<number].contains(where: { $0.signal == other.signal }) {
                section.error(
                    "several \(other.signal.rawValue) pipelines are not in Tailgate yet; keep one", key: "\(other.id)")
            }
        }
    }

    private func readPipeline(
        _ id: ComponentID, _ reader: inout ConfigReader, _ count: Int, _ usedElsewhere: [ComponentID]
    ) -> PipelineConfig? {
        let receivers = resolve(references("receivers", &reader), .receiver, components.receivers)
        let processorNames = reader.placedStrings("processors")
        let processors = resolve(processorNames, .processor, components.processors)
        if !processorNames.contains(where: { ComponentID(parsing: $0.text)?.type == "tail_sampling" }) {
            reader.error(
                "the pipeline has no `tail_sampling` processor, and sampling is what Tailgate is for; to keep every trace, give it one policy of the type `always_sample`",
                key: "processors")
        }
        let exporters = resolve(references("exporters", &reader), .exporter, components.exporters)
        // With several pipelines, what this one does not use may belong to another.
        if count == 1 {
            let place = "service.pipelines.\(id)"
            reportUnused(components.receivers, receivers.map(\.id), place)
            reportUnused(components.processors, processors.map(\.id), place)
            reportUnused(components.exporters, exporters.map(\.id) + usedElsewhere, place)
        }
        reader.finish()
        return assemble(id, receivers.compactMap(\.config), processors, exporters.compactMap(\.config), &reader)
    }

    /// A list that must not be empty.
    private func references(_ key: String, _ reader: inout ConfigReader) -> [PlacedText] {
        let list = reader.placedStrings(key)
        if list.isEmpty { reader.error("the pipeline has no \(key); name at least one", key: key) }
        return list
    }

    private func assemble(
        _ id: ComponentID, _ receivers: [OTLPReceiverConfig], _ processors: [Defined<Components.Processor>],
        _ exporters: [ExporterConfig], _ reader: inout ConfigReader
    ) -> PipelineConfig? {
        var limiters: [MemoryLimiterConfig] = []
        var samplings: [TailSamplingConfig] = []
        var batches: [BatchConfig] = []
        for (index, processor) in processors.enumerated() {
            switch processor.config {
            case .memoryLimiter(let config):
                if index > 0 {
                    reader.warning(
                        "`\(processor.id)` should come first: memory is checked before anything else, wherever it stands",
                        key: "processors")
                }
                limiters.append(config)
            case .batch(let config):
                if samplings.isEmpty {
                    reader.warning(
                        "`\(processor.id)` should stand behind tail_sampling: kept traces are batched, wherever it stands",
                        key: "processors")
                }
                batches.append(config)
            case .tailSampling(let config): samplings.append(config)
            case nil: break
            }
        }
        for (count, type) in [
            (limiters.count, "memory_limiter"), (samplings.count, "tail_sampling"), (batches.count, "batch"),
        ]
        where count > 1 {
            reader.error(
                "several `\(type)` processors in a pipeline are not in Tailgate yet; keep one", key: "processors")
        }
        guard let tailSampling = samplings.first else { return nil }
        return PipelineConfig(
            id: id, receivers: receivers, memoryLimiter: limiters.first, tailSampling: tailSampling,
            batch: batches.first,
            exporters: exporters)
    }

    /// The components that a list names, in its order. What is not defined or named twice is reported.
    private func resolve<Config>(
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

    private func reportUnused<Config>(_ defined: [Defined<Config>], _ used: [ComponentID], _ place: String) {
        for component in defined where component.config != nil && !used.contains(component.id) {
            problems.warning(
                "`\(component.id)` is defined but not in use; name it in `\(place)` or leave it out",
                at: component.keyPosition,
                keyPath: component.keyPath)
        }
    }
}

internal import ConfigTree
internal import Processing

/// Reads `service.pipelines`.
extension ServiceReader {
    /// Empty if no pipeline can be put together, which is then reported.
    func readPipelines(_ service: inout ConfigReader) -> [PipelineConfig] {
        guard var section = service.map("pipelines") else {
            service.error(
                "`pipelines` is missing; write `pipelines: {traces: {receivers: [...], processors: [...], exporters: [...]}}`"
            )
            return []
        }
        if section.keys.isEmpty {
            section.error("there is no pipeline; write `traces: {receivers: [...], processors: [...], exporters: [...]}`")
        }
        var used = UsedComponents()
        var pipelines: [PipelineConfig] = []
        var isSampled = false
        for entry in section.keys {
            guard let id = ComponentID(parsing: entry.key), let signal = PipelineSignal(rawValue: id.type) else {
                reportUnknown(entry, section.path(of: entry.key))
                continue
            }
            guard var reader = section.map(entry.key) else { continue }
            let pipeline = readPipeline(id, signal, &reader, &used)
            if pipeline.tailSampling != nil {
                if isSampled {
                    problems.error(
                        "several pipelines with `tail_sampling` are not in Tailgate yet; keep it in one", at: entry.keyPosition,
                        keyPath: section.path(of: entry.key))
                }
                isSampled = true
            }
            pipelines.append(pipeline)
        }
        let place = pipelines.count == 1 ? "service.pipelines.\(pipelines[0].id)" : "a pipeline"
        if !pipelines.isEmpty {
            reportUnused(components.receivers, used.receivers, place)
            reportUnused(components.processors, used.processors, place)
            reportUnused(components.exporters, used.exporters, place)
        }
        return pipelines
    }

    /// Components that some pipeline names.
    struct UsedComponents {
        var receivers: [ComponentID] = []
        var processors: [ComponentID] = []
        var exporters: [ComponentID] = []
    }

    private func reportUnknown(_ entry: ConfigEntry, _ keyPath: String) {
        let message =
            ComponentID(parsing: entry.key)?.type == "profiles"
            ? "profiles are not in Tailgate yet; leave this pipeline to a Collector"
            : "unknown pipeline `\(clipped(entry.key))`; write `traces`, `metrics` or `logs`, or one of these with a /name"
        problems.error(message, at: entry.keyPosition, keyPath: keyPath)
    }

    private func readPipeline(
        _ id: ComponentID, _ signal: PipelineSignal, _ reader: inout ConfigReader, _ used: inout UsedComponents
    ) -> PipelineConfig {
        let receivers = resolve(references("receivers", &reader), .receiver, components.receivers)
        let processors = resolve(reader.placedStrings("processors"), .processor, components.processors)
        let exporters = resolve(references("exporters", &reader), .exporter, components.exporters)
        used.receivers += receivers.map(\.id)
        used.processors += processors.map(\.id)
        used.exporters += exporters.map(\.id)
        if signal != .traces { checkExporters(exporters, signal, &reader) }
        var pipeline = PipelineConfig(
            id: id, signal: signal, receivers: receivers.filter { $0.config != nil }.map(\.id),
            exporters: exporters.filter { $0.config != nil }.map(\.id))
        assign(processors, to: &pipeline, &reader)
        reader.finish()
        return pipeline
    }

    /// A list that must not be empty.
    private func references(_ key: String, _ reader: inout ConfigReader) -> [PlacedText] {
        let list = reader.placedStrings(key)
        if list.isEmpty { reader.error("the pipeline has no \(key); name at least one", key: key) }
        return list
    }

    /// Metrics and logs go to generic OTLP exporters alone.
    private func checkExporters(_ exporters: [Defined<ExporterConfig>], _ signal: PipelineSignal, _ reader: inout ConfigReader) {
        for exporter in exporters {
            guard let config = exporter.config else { continue }
            if case .otlp(let settings) = config.kind, settings.backend == .otlp { continue }
            reader.error("`\(exporter.id)` can't take \(signal.rawValue); an `otlp` exporter can", key: "exporters")
        }
    }

    private func assign(
        _ processors: [Defined<Components.Processor>], to pipeline: inout PipelineConfig, _ reader: inout ConfigReader
    ) {
        var counts: [String: Int] = [:]
        let samples = processors.contains { if case .tailSampling? = $0.config { true } else { false } }
        for (index, processor) in processors.enumerated() {
            switch processor.config {
            case .ofCatalog(let config):
                if pipeline.tailSampling == nil { pipeline.before.append(config) } else { pipeline.after.append(config) }
                continue
            case .memoryLimiter, .batch, .tailSampling, nil: counts[processor.id.type, default: 0] += 1
            }
            switch processor.config {
            case .memoryLimiter(let config):
                if index > 0 {
                    reader.warning(
                        "`\(processor.id)` should come first: memory is checked before anything else, wherever it stands",
                        key: "processors")
                }
                pipeline.memoryLimiter = pipeline.memoryLimiter ?? config
            case .batch(let config):
                if samples, pipeline.tailSampling == nil {
                    reader.warning(
                        "`\(processor.id)` should stand behind tail_sampling: kept traces are batched, wherever it stands",
                        key: "processors")
                } else if !samples, index < processors.count - 1 {
                    reader.warning(
                        "`\(processor.id)` should come last: requests are put together at the end, wherever it stands",
                        key: "processors")
                }
                pipeline.batch = pipeline.batch ?? config
            case .tailSampling(let config):
                if pipeline.signal == .traces {
                    pipeline.tailSampling = pipeline.tailSampling ?? config
                } else {
                    reader.error("`\(processor.id)` takes traces, not \(pipeline.signal.rawValue)", key: "processors")
                }
            case .ofCatalog, nil: break
            }
        }
        var needs = DetectionNeeds()
        let chains = pipeline.chains(nil, problems, &needs)
        if pipeline.after.contains(where: { $0.id.type == "probabilistic_sampler" }), chains.after != nil {
            reader.error(
                "`probabilistic_sampler` behind `tail_sampling` is not in Tailgate yet; put it before, or give `tail_sampling` a policy of the type `probabilistic`",
                key: "processors")
        }
        for (type, count) in counts.sorted(by: { $0.key < $1.key }) where count > 1 {
            reader.error("several `\(type)` processors in a pipeline are not in Tailgate yet; keep one", key: "processors")
        }
    }
}

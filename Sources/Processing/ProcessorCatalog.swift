package import ConfigTree
internal import OTLP

/// Every processor type there is: one line each.
package enum ProcessorCatalog {
    package static let types: [any ProcessorType.Type] = [
        AttributesProcessor.self,
        ResourceProcessor.self,
        ResourceDetectionProcessor.self,
        ProbabilisticSampler.self,
        SpanProcessor.self,
        RedactionProcessor.self,
        GroupByTraceProcessor.self,
    ]

    private static let byName: [String: any ProcessorType.Type] = {
        var table: [String: any ProcessorType.Type] = [:]
        for type in types { for name in type.typeNames { table[name] = type } }
        return table
    }()

    /// The type with this name, today's or an older one.
    package static func type(named name: String) -> (any ProcessorType.Type)? { byName[name] }

    /// Builds the processor that stands under `processors` with this id (`attributes/clean`), for a pipeline of one signal.
    ///
    /// Whoever knows the pipelines says what they are in `builder`. Problems are reported at their place in the block.
    /// - Returns: nil if the type is unknown, which is reported, too, or if its settings leave nothing to build.
    package static func build(
        _ id: String, _ node: ConfigNode, _ builder: inout ProcessorBuilder, _ problems: ConfigProblems
    ) -> BuiltProcessor? {
        let path = "processors.\(id)"
        let name = String(id.prefix { $0 != "/" })
        guard let type = type(named: name) else {
            let known = types.map { $0.typeName }
            let hint = nearestName(to: name, among: byName.keys.sorted()).map { "did you mean `\($0)`? " } ?? ""
            problems.error(
                "there is no processor `\(clipped(name))`; \(hint)known here: \(known.joined(separator: ", "))",
                at: node.position,
                keyPath: path)
            return nil
        }
        guard type.schema.signals.contains(builder.signal) else {
            let signals = type.schema.signals.map { "\($0)" }.joined(separator: ", ")
            problems.error(
                "`\(name)` works on \(signals), not on \(builder.signal): Tailgate hands \(builder.signal) on unopened, except for their resources; use `resource` or `resourcedetection`",
                at: node.position, keyPath: path)
            return nil
        }
        var block = ConfigReader(node, keyPath: path, problems: problems)
        builder.begin(id)
        let processor = type.init(&block, &builder)
        block.finish()
        guard let processor else { return nil }
        return BuiltProcessor(
            id: id, stages: processor.stages, counters: builder.counters, contextKeys: builder.contextKeys, needs: builder.needs
        )
    }
}

/// A processor of one pipeline, ready to run.
package struct BuiltProcessor: Sendable {
    /// As in the configuration: `attributes/clean`.
    package let id: String
    package let stages: [ProcessorStage]
    /// What it counts beside dropped spans.
    package let counters: [ProcessorCounter]
    /// What of the client's request it reads, in the words of `from_context`.
    package let contextKeys: [String]
    /// Facts about the host that it needs when it is built to run.
    package let needs: DetectionNeeds
}

package import ConfigTree
internal import OTLP

/// `probabilistic_sampler`: keeps a share of all spans, the same spans of a trace everywhere.
package struct ProbabilisticSampler: ProcessorType {
    package static let typeNames = ["probabilistic_sampler"]

    package static var schema: ProcessorSchema {
        ProcessorSchema(
            "Keeps a share of all traces, decided span by span from the trace id, and writes the share into the tracestate.",
            stability: .beta,
            fields: [
                ProcessorField(
                    "sampling_percentage", .number, default: "0", "How many percent; above 100 is 100.", minimum: 0),
                ProcessorField(
                    "mode", .text, default: "hash_seed",
                    "`hash_seed`: a hash of the trace id; `equalizing`: at most this share of all; `proportional`: this share of what arrives.",
                    allowed: ModeName.allCases.map(\.rawValue)),
                ProcessorField(
                    "hash_seed", .integer, default: "0",
                    "Samplers in a row need different seeds, samplers beside each other the same one. Only for `hash_seed`.",
                    minimum: 0,
                    maximum: Double(UInt32.max)),
                ProcessorField(
                    "fail_closed", .boolean, default: "true",
                    "Whether spans are dropped whose tracestate is malformed or contradicts itself; otherwise they are kept."),
                ProcessorField(
                    "sampling_precision", .integer, default: "4",
                    "Hex digits of the threshold that is written, 1 to 14. For `equalizing` and `proportional`.", maximum: 14),
                ProcessorField(
                    "attribute_source", .text, default: "traceID", "For logs only.",
                    allowed: AttributeSource.allCases.map(\.rawValue)),
                ProcessorField("from_attribute", .text, "For logs only."),
                ProcessorField("sampling_priority", .text, "For logs only."),
            ],
            notes: "A span attribute `sampling.priority` of 0 drops the span, a positive one keeps it.")
    }

    private enum ModeName: String, CaseIterable {
        case unset = ""
        case hashSeed = "hash_seed"
        case equalizing, proportional
    }

    private enum AttributeSource: String, CaseIterable {
        case traceID, record
    }

    private let stage: SamplerStage

    package init?(_ block: inout ConfigReader, _ builder: inout ProcessorBuilder) {
        let percentage = Float(block.double("sampling_percentage", default: 0))
        let modeName = block.oneOf("mode", default: ModeName.unset)
        let seed = block.integer("hash_seed", default: 0, in: 0...Int(UInt32.max))
        let failsClosed = block.bool("fail_closed", default: true)
        let precision = block.integer("sampling_precision", default: 4)
        if percentage < 0 { block.error("a negative percentage", key: "sampling_percentage") }
        if percentage > 100 { block.warning("above 100 works as 100", key: "sampling_percentage") }
        if percentage > 0, Double(percentage) / 100 < 1 / Double(SamplingThreshold.limit) {
            block.error("too small: the smallest share is 2^-56", key: "sampling_percentage")
        }
        if precision == 0 || precision > SamplingThreshold.digits {
            block.error("\(precision) is out of range: 1 to \(SamplingThreshold.digits) is expected", key: "sampling_precision")
        }
        if precision < 0 {
            block.warning("a negative precision works as 1 here", key: "sampling_precision")
        }
        let source = block.oneOf("attribute_source", default: AttributeSource.traceID)
        if source == .record { block.warning("for logs only; without effect on spans", key: "attribute_source") }
        for key in ["from_attribute", "sampling_priority"] where block.stringIfPresent(key) != nil {
            block.warning("for logs only; without effect on spans", key: key)
        }
        if seed != 0, modeName == .equalizing || modeName == .proportional {
            block.warning("`hash_seed` has no effect on spans in the mode `\(modeName.rawValue)`", key: "hash_seed")
        }
        guard !block.problems.hasErrors else { return nil }
        let mode = Self.mode(modeName, min(percentage, 100), UInt32(seed), max(1, precision))
        if mode == .never, percentage > 0 {
            block.warning(
                "less than 1 in 16384 (0.0061 %) rounds to nothing in the mode `hash_seed`: every span is dropped; the other modes are finer",
                key: "sampling_percentage")
        }
        stage = SamplerStage(SamplerRule(mode: mode, failsClosed: failsClosed), &builder)
    }

    private static func mode(_ name: ModeName, _ percentage: Float, _ seed: UInt32, _ precision: Int) -> SamplerRule.Mode {
        guard percentage > 0 else { return .never }
        let ratio = max(Double(percentage) / 100, 1 / Double(SamplingThreshold.limit))
        switch name {
        case .equalizing: return .equalizing(SamplingThreshold(probability: ratio, precision: precision) ?? .never)
        case .proportional: return .proportional(ratio, precision: precision)
        case .unset, .hashSeed:
            // In 32 bits and rounded down, as the Collector has done it from the beginning.
            let buckets = UInt64(percentage * Float(16384.0 / 100.0))
            return buckets == 0 ? .never : .hashSeed(seed, SamplingThreshold(value: (16384 - buckets) << 42))
        }
    }

    package var stages: [ProcessorStage] { [.spans(stage)] }
}

/// The sampler at work.
struct SamplerStage: SpanStage {
    private let rule: SamplerRule
    private let priority: AttributeName
    /// By source: kept, dropped.
    private let counters: [SamplerSource: (kept: CounterID, dropped: CounterID)]

    init(_ rule: SamplerRule, _ builder: inout ProcessorBuilder) {
        self.rule = rule
        priority = builder.spanAttribute("sampling.priority")
        var counters: [SamplerSource: (kept: CounterID, dropped: CounterID)] = [:]
        for source in SamplerSource.allCases {
            func counter(_ isSampled: Bool) -> CounterID {
                builder.counter(
                    "probabilistic_sampler_count_traces_sampled",
                    [("policy", source.rawValue), ("sampled", isSampled ? "true" : "false")])
            }
            counters[source] = (counter(true), counter(false))
        }
        self.counters = counters
    }

    func look(_ span: SpanView, _ group: GroupView, _ run: inout StageRun) -> SpanLook {
        let text = [UInt8](copying: span.fields.traceState.bytes(in: span.body))
        let decision = rule.decide(span.record.traceID, traceState: text, SamplingPriority(span.value(priority), in: span.body))
        // A span that is opened is decided, and counted, there.
        if decision.isKept && decision.traceState != nil && decision.traceState != text { return .open }
        count(decision, &run)
        return decision.isKept ? .pass : .drop
    }

    func edit(_ span: inout MessageDraft, _ group: GroupView, _ run: inout StageRun) -> StageVerdict {
        let text = [UInt8](copying: span.traceState.bytes(in: span.content))
        let asked = SamplingPriority(span.value(priority.bytes), in: span.content)
        let decision = rule.decide(span.traceID, traceState: text, asked)
        count(decision, &run)
        guard decision.isKept else { return .drop }
        if let traceState = decision.traceState { span.setTraceState(traceState) }
        return .keep
    }

    private func count(_ decision: SamplerDecision, _ run: inout StageRun) {
        guard let pair = counters[decision.source] else { return }
        run.count(decision.isKept ? pair.kept : pair.dropped)
    }
}

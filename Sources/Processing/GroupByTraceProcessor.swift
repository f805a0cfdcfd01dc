package import ConfigTree

/// `groupbytrace`: accepted for old configurations. Before `tail_sampling` it has nothing to do, since that gathers traces
/// itself.
package struct GroupByTraceProcessor: ProcessorType {
    package static let typeNames = ["groupbytrace"]

    package static var schema: ProcessorSchema {
        ProcessorSchema(
            "Without effect: `tail_sampling` gathers the spans of a trace itself.", stability: .beta,
            fields: [
                ProcessorField(
                    "wait_duration", .duration, default: "1s", "Without effect; `tail_sampling.decision_wait` is what counts."),
                ProcessorField("num_traces", .integer, default: "1000000", "Without effect."),
                ProcessorField("num_workers", .integer, default: "1", "Without effect."),
                ProcessorField("discard_orphans", .boolean, default: "false", "Has to be false, as in the Collector."),
                ProcessorField("store_on_disk", .boolean, default: "false", "Has to be false, as in the Collector."),
            ])
    }

    package init?(_ block: inout ConfigReader, _ builder: inout ProcessorBuilder) {
        _ = block.duration("wait_duration", default: 1_000_000_000, in: 0...Int64.max)
        _ = block.integer("num_traces", default: 1_000_000, in: 1...Int.max)
        _ = block.integer("num_workers", default: 1, in: 1...Int.max)
        for key in ["discard_orphans", "store_on_disk"] where block.bool(key, default: false) {
            block.error("the Collector has not built this option; it does not start with it either", key: key)
        }
        guard !block.problems.hasErrors else { return nil }
        block.warning(
            builder.isBeforeTailSampling
                ? "has no effect: `tail_sampling` gathers the spans of a trace itself, for `decision_wait`; leave it out"
                : "has no effect: spans go on as they come; only `tail_sampling` waits for whole traces")
    }

    package var stages: [ProcessorStage] { [] }
}

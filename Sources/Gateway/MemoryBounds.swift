internal import Cluster
internal import Delivery
internal import Sampling
internal import Telemetry
internal import Transport

/// What a configuration may hold at most, part by part, beside the limit that holds it all: summed up when a node starts.
///
/// Some parts are held from the start or fill up in any case (`isFixed`); they must fit into the memory before a single
/// span does. The rest is elastic: queues and requests under way may grow to their own bounds only while the memory limit
/// allows, since from `softLimitBytes` on clients are refused.
package struct MemoryBounds: Sendable, Equatable {
    /// One bounded holder of memory.
    package struct Part: Sendable, Equatable {
        package let name: String
        /// Most bytes it can hold; nil where its own bound is not in bytes (a queue that counts spans).
        package let bytes: Int?
        package let isFixed: Bool
    }

    package let parts: [Part]
    /// What the process may use.
    package let limitBytes: Int
    /// From here on requests are refused.
    package let softLimitBytes: Int

    package init(parts: [Part], limitBytes: Int, softLimitBytes: Int) {
        self.parts = parts
        self.limitBytes = limitBytes
        self.softLimitBytes = softLimitBytes
    }

    init(_ plan: NodePlan, _ exporters: [ExporterConfig]) {
        var parts = [Part(name: "program", bytes: MemoryBudget.baselineBytes, isFixed: true)]
        parts += Self.fixedParts(plan.shard, plan.batch, workers: plan.workerCount)
        if plan.metrics.lanes != nil {
            let settings = ClusterSettings()
            parts.append(
                Part(name: "spans for peers", bytes: settings.custodyBytes * plan.workerCount, isFixed: false))
            parts.append(Part(name: "hand-off", bytes: settings.handoffWindowBytes * plan.workerCount, isFixed: false))
        }
        for exporter in exporters {
            let queue = DestinationBuilder.queueSettings(of: exporter)
            parts.append(
                Part(
                    name: "queue of \(exporter.id)",
                    bytes: queue.worstCaseBytes(maximumRequestBytes: plan.batch.maximumRequestBytes), isFixed: false))
        }
        self.init(parts: parts, limitBytes: plan.memory.limitBytes, softLimitBytes: plan.memory.softLimitBytes)
    }

    /// Tables and buffers that are held whatever comes, beside the program itself.
    static func fixedParts(_ shard: ShardSettings, _ batch: BatchSettings, workers: Int) -> [Part] {
        let caches = DecisionCache.memoryBytes(capacity: shard.sampledCacheSize)
            + DecisionCache.memoryBytes(capacity: shard.notSampledCacheSize)
        return [
            Part(name: "decision caches", bytes: caches * workers, isFixed: true),
            Part(
                name: "decision records", bytes: Shard.decisionLogBytes(records: shard.decisionRecords) * workers,
                isFixed: true),
            // What is being assembled, and the same once more while it is written out.
            Part(name: "batches", bytes: 2 * batch.maximumRequestBytes * workers, isFixed: true),
        ]
    }

    /// What is held in any case.
    package var fixedBytes: Int { sum { $0.isFixed } }
    /// What all parts with a bound in bytes may hold together, were there no limit.
    package var worstCaseBytes: Int { sum { _ in true } }
    /// What is left for undecided spans, requests under way and queues.
    package var roomBytes: Int { max(0, softLimitBytes - fixedBytes) }

    private func sum(_ counts: (Part) -> Bool) -> Int {
        parts.reduce(0) { sum, part in
            guard counts(part), let bytes = part.bytes else { return sum }
            let (total, overflow) = sum.addingReportingOverflow(bytes)
            return overflow ? .max : total
        }
    }

    /// What an operator should know, nil if nothing: the fixed parts leave no room worth speaking of.
    package var warning: String? {
        guard roomBytes < softLimitBytes / 4 else { return nil }
        let held = parts.filter(\.isFixed).map { "\($0.name) \(Self.mebibytes($0.bytes))" }.joined(separator: ", ")
        return "only \(Self.mebibytes(roomBytes)) of memory are left for spans: clients are refused from "
            + "\(Self.mebibytes(softLimitBytes)) on, of which \(held) are taken; raise memory_limiter's limit or make "
            + "tail_sampling's decision_cache smaller"
    }

    /// All parts in one line, for the log.
    package var summary: String {
        parts.map { "\($0.name) \(Self.mebibytes($0.bytes))" }.joined(separator: ", ")
    }

    private static func mebibytes(_ bytes: Int?) -> String {
        guard let bytes else { return "unbounded in bytes" }
        return "\((bytes + (1 << 20) - 1) >> 20) MiB"
    }
}

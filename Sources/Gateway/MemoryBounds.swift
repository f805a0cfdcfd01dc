internal import Cluster
internal import Delivery
internal import Sampling
internal import Telemetry
internal import Transport

/// How the memory below the limit is divided when a node starts: the parts add up to `softLimitBytes`, from which on clients are
/// refused.
///
/// Some parts are held from the start or fill up in any case (`isFixed`); they must fit into the memory before a single
/// span does. Queues have their shares (`QueueShares`). All that is left is for spans: those that are not decided yet, requests
/// under way, and in a cluster what is on its way to peers, which has a bound of its own in there.
package struct MemoryBounds: Sendable, Equatable {
    /// One bounded holder of memory.
    package struct Part: Sendable, Equatable {
        package let name: String
        /// Most bytes it can hold.
        package let bytes: Int
        package let isFixed: Bool
    }

    package let parts: [Part]
    /// Those that live on what is left for spans.
    package let partsOfSpans: [Part]
    package let shares: QueueShares
    /// What the process may use.
    package let limitBytes: Int
    /// From here on requests are refused.
    package let softLimitBytes: Int

    package init(
        parts: [Part], partsOfSpans: [Part] = [], shares: QueueShares? = nil, limitBytes: Int, softLimitBytes: Int
    ) {
        let shares = shares ?? QueueShares([], roomBytes: 0, requestBytes: 0)
        self.parts =
            parts
            + zip(shares.queues, shares.bytes).map { Part(name: "queue of \($0.name)", bytes: $1, isFixed: false) }
        self.partsOfSpans = partsOfSpans
        self.shares = shares
        self.limitBytes = limitBytes
        self.softLimitBytes = softLimitBytes
    }

    init(_ plan: NodePlan, _ config: GatewayConfig) {
        var parts = [Part(name: "program", bytes: MemoryBudget.baselineBytes, isFixed: true)]
        parts += Self.fixedParts(plan.shard, plan.pipelines.map(\.batch), workers: plan.workerCount)
        var partsOfSpans: [Part] = []
        if plan.metrics.lanes != nil {
            let settings = ClusterSettings()
            partsOfSpans = [
                Part(name: "spans for peers", bytes: settings.custodyBytes * plan.workerCount, isFixed: false),
                Part(name: "hand-off", bytes: settings.handoffWindowBytes * plan.workerCount, isFixed: false),
            ]
        }
        let soft = plan.memory.softLimitBytes
        let fixed = parts.reduce(0) { $0 + $1.bytes }
        self.init(
            parts: parts, partsOfSpans: partsOfSpans, shares: QueueShares(plan, config, roomBytes: soft - fixed),
            limitBytes: plan.memory.limitBytes, softLimitBytes: soft)
    }

    /// Tables and buffers that are held whatever comes, beside the program itself.
    static func fixedParts(_ shard: ShardSettings, _ batches: [BatchSettings], workers: Int) -> [Part] {
        let caches = DecisionCache.memoryBytes(capacity: shard.sampledCacheSize)
            + DecisionCache.memoryBytes(capacity: shard.notSampledCacheSize)
        return [
            Part(name: "decision caches", bytes: caches * workers, isFixed: true),
            Part(
                name: "decision records", bytes: Shard.decisionLogBytes(records: shard.decisionRecords) * workers,
                isFixed: true),
            // What is being assembled, and the same once more while it is written out.
            Part(name: "batches", bytes: batches.reduce(0) { $0 + 2 * $1.maximumRequestBytes } * workers, isFixed: true),
        ]
    }

    /// What is held in any case.
    package var fixedBytes: Int { sum { $0.isFixed } }
    /// What is left for spans and queues.
    package var roomBytes: Int { max(0, softLimitBytes - fixedBytes) }
    /// What is left for spans while all queues are full.
    package var spanBytes: Int { max(0, softLimitBytes - sum { _ in true }) }

    private func sum(_ counts: (Part) -> Bool) -> Int {
        parts.reduce(0) { sum, part in
            guard counts(part) else { return sum }
            let (total, overflow) = sum.addingReportingOverflow(part.bytes)
            return overflow ? .max : total
        }
    }

    /// What an operator should know: the fixed parts leave no room worth speaking of, or the queues take it.
    package var warnings: [String] {
        guard roomBytes < softLimitBytes / 4 else { return shares.warnings }
        let held = parts.filter(\.isFixed).map { "\($0.name) \(Self.mebibytes($0.bytes)) MiB" }.joined(separator: ", ")
        let text =
            "only \(roomBytes >> 20) MiB of memory are left for spans and queues: clients are refused from "
            + "\(softLimitBytes >> 20) MiB on, of which \(held) are taken; raise memory_limiter's limit or make "
            + "tail_sampling's decision_cache smaller"
        return [text] + shares.warnings
    }

    /// All parts in one line, for the log. In whole MiB, and yet they add up: the spans' part is what the others leave.
    package var summary: String {
        let listed = parts.map { (name: $0.name, mebibytes: Self.mebibytes($0.bytes)) }
        let left = listed.reduce(softLimitBytes >> 20) { left, part in
            let (rest, overflow) = left.subtractingReportingOverflow(part.mebibytes)
            return overflow ? 0 : max(0, rest)
        }
        var spans = "spans \(left) MiB"
        if !partsOfSpans.isEmpty {
            let bounds = partsOfSpans.map { "\($0.name) \(Self.mebibytes($0.bytes)) MiB" }.joined(separator: " and ")
            spans += " (of which \(bounds) at most)"
        }
        return (listed.map { "\($0.name) \($0.mebibytes) MiB" } + [spans]).joined(separator: ", ")
    }

    private static func mebibytes(_ bytes: Int) -> Int { bytes >> 20 + (bytes & (1 << 20 - 1) == 0 ? 0 : 1) }
}

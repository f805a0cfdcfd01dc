internal import Delivery
internal import Transport

/// How the memory that queues may hold is divided among the destinations. Pure.
///
/// Half of what the fixed parts of the node leave below the limit is for all queues together; the other half is for spans
/// that are not decided yet and requests under way. So destinations that are away, however many, never take all of the memory,
/// and clients are not refused because of them. A queue with `max_bytes` has that; the others divide what is left: each gets the
/// same, but not more than its `queue_size` can use, and what one can't use is for the others.
package struct QueueShares: Sendable, Equatable {
    /// One queue that wants memory.
    package struct Queue: Sendable, Equatable {
        /// For messages: `otlp/a`, or `otlp/a (metrics)`.
        package var name: String
        /// What `queue_size` and the overflow allow in bytes; nil: no bound.
        package var needBytes: Int?
        /// `max_bytes`.
        package var ownBytes: Int?
        /// At least what requests of `queue_size` take, if the user has written that: full batches of small spans. Nil: not
        /// written.
        package var writtenBytes: Int?

        package init(name: String, needBytes: Int?, ownBytes: Int? = nil, writtenBytes: Int? = nil) {
            self.name = name
            self.needBytes = needBytes
            self.ownBytes = ownBytes
            self.writtenBytes = writtenBytes
        }
    }

    package let queues: [Queue]
    /// In the order of the queues.
    package private(set) var bytes: [Int]
    /// For all queues together, without `max_bytes`.
    package let budgetBytes: Int

    /// A queue must be able to hold a request while the next one comes.
    package static let leastRequests = 2
    /// What a small span takes: ids, name, times.
    private static let smallSpanBytes = 128

    /// - Parameters:
    ///   - roomBytes: what the fixed parts leave below the limit from which on clients are refused.
    ///   - requestBytes: of the largest request.
    package init(_ queues: [Queue], roomBytes: Int, requestBytes: Int) {
        self.queues = queues
        budgetBytes = max(0, roomBytes) / 2
        bytes = queues.map { $0.ownBytes ?? 0 }
        var left = max(0, budgetBytes - Self.sum(bytes))
        // Those that want least first: what they leave is for the others.
        var open = queues.indices.filter { queues[$0].ownBytes == nil }
        open.sort { (queues[$0].needBytes ?? .max) < (queues[$1].needBytes ?? .max) }
        while let number = open.first {
            let share = min(left / open.count, queues[number].needBytes ?? .max)
            bytes[number] = max(share, Self.leastRequests * requestBytes)
            left = max(0, left - bytes[number])
            open.removeFirst()
        }
    }

    /// For a plan and its exporters: those of traces, then those of signals that are passed on.
    init(_ plan: NodePlan, _ config: GatewayConfig, roomBytes: Int) {
        var queues = config.exporters(of: .traces).map { Self.queue(of: $0, name: "\($0.id)", plan) }
        for (signal, exporter) in SignalBuilder.destinations(config) {
            queues.append(Self.queue(of: exporter, name: "\(exporter.id) (\(signal.rawValue))", plan))
        }
        self.init(queues, roomBytes: roomBytes, requestBytes: plan.maximumRequestBytes)
    }

    private static func queue(of exporter: ExporterConfig, name: String, _ plan: NodePlan) -> Queue {
        let settings = DestinationBuilder.queueSettings(of: exporter)
        var queue = Queue(
            name: name, needBytes: settings.worstCaseBytes(maximumRequestBytes: plan.maximumRequestBytes))
        guard case .otlp(let config) = exporter.kind, let written = config.queue else { return queue }
        queue.ownBytes = written.maximumBytes
        guard written.hasOwnSize else { return queue }
        let batch = max(1, min(plan.pipelines.map(\.batch.sendBatchSize).max() ?? 1, plan.maximumRequestBytes / smallSpanBytes))
        let unit =
            switch written.sizer {
            case .requests: batch * smallSpanBytes
            case .items: smallSpanBytes
            case .bytes: 1
            }
        let (bytes, overflow) = written.queueSize.multipliedReportingOverflow(by: unit)
        queue.writtenBytes = overflow ? .max : bytes
        return queue
    }

    /// What all queues may hold together.
    package var totalBytes: Int { Self.sum(bytes) }

    /// What an operator should know: sizes that were written and can't be held.
    package var warnings: [String] {
        var found: [String] = []
        for (queue, share) in zip(queues, bytes) {
            guard let written = queue.writtenBytes, written > share else { continue }
            found.append(
                "the queue of \(queue.name) holds \(share >> 20) MiB at most, \(queue.ownBytes == nil ? "its share of the memory limit" : "its `max_bytes`"); its `queue_size` would need \(written >> 20) MiB or more. Beyond that, new requests are lost (queue_full): raise the memory limit or `sending_queue.max_bytes`, or make `queue_size` smaller"
            )
        }
        if totalBytes > budgetBytes, queues.contains(where: { $0.ownBytes != nil }) {
            found.append(
                "all queues together may hold \(totalBytes >> 20) MiB, more than half (\(budgetBytes >> 20) MiB) of the memory for spans: while destinations are away, less is left for spans that are not decided, and clients may be refused; make `sending_queue.max_bytes` smaller or raise the memory limit"
            )
        }
        return found
    }

    private static func sum(_ bytes: [Int]) -> Int {
        bytes.reduce(0) { sum, bytes in
            let (total, overflow) = sum.addingReportingOverflow(bytes)
            return overflow ? .max : total
        }
    }
}

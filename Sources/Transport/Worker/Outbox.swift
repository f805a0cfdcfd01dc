internal import Delivery
internal import NIOCore
internal import NativeCore
internal import OTLP
internal import Telemetry

/// The way out of one traces pipeline: its spans become batches, and each batch goes to every destination of the pipeline.
///
/// Owned by one worker, on whose loop it is used. Holds at most one batch (`BatchSettings.maximumRequestBytes`), twice that
/// while it is flushed, and bounded tables of scopes.
final class Outbox {
    /// Place in `NodePlan.pipelines`.
    let number: Int
    private let plan: TracePipelinePlan
    private let cells: MetricCells
    private let repairedSpans: CounterID
    private let eventLoop: any EventLoop
    private var assembler: BatchAssembler
    /// To the pipeline's destinations, in the order of the plan.
    private(set) var routes: [DestinationRoute] = []
    private var validGroups: Set<UInt64> = []
    private var scopeNotes = ScopeNotes()
    /// For batches of sampled spans.
    private var after: ChainRunner?
    private var nextSequence: UInt64 = 0

    init(number: Int, of node: NodePlan, cells: MetricCells, eventLoop: any EventLoop) {
        self.number = number
        plan = node.pipelines[number]
        self.cells = cells
        self.eventLoop = eventLoop
        repairedSpans = node.metrics.sampling.repairedSpans
        assembler = BatchAssembler(settings: plan.batch, hashSeed: node.hashKeys.first)
        after = plan.after.map { ChainRunner($0, keys: node.hashKeys) }
    }

    /// - Parameter all: of the node, in the order of `NodePlan.destinationNames`.
    func connect(_ all: [DestinationRoute]) { routes = plan.destinations.map { all[$0] } }

    /// Whether nothing waits to be sent.
    var isEmpty: Bool { assembler.isEmpty }

    /// Whether no destination has room in its queue.
    var isBlocked: Bool { !routes.isEmpty && routes.allSatisfy(\.isFull) }

    // MARK: spans

    /// Announces a trace, or a part of one, that is to be in one batch if it fits.
    ///
    /// - Parameter bytes: of its spans and of the headers of its groups; an upper bound is fine.
    func beginTrace(spans: Int, bytes: Int, now: Int64) {
        if assembler.beginTrace(spans: spans, bytes: bytes, now: now) { return }
        flush(.size, now: now)
        precondition(assembler.beginTrace(spans: spans, bytes: bytes, now: now), "an empty batch takes any trace")
    }

    /// Adds one span to the batch; what is no UTF-8 is repaired, since one bad text makes backends refuse a whole batch.
    func add(
        _ group: UInt64, _ resource: Span<UInt8>, _ scope: Span<UInt8>, _ span: Span<UInt8>, _ note: ScopeNote?, now: Int64
    ) {
        if SpanSanitizer.isValid(span) && isValidGroup(group, resource, scope) {
            place(group, resource, scope, span, note, now)
        } else {
            cells.add(repairedSpans)
            place(
                group, SpanSanitizer.repaired(resource, as: .resourceHeader).span,
                SpanSanitizer.repaired(scope, as: .scopeHeader).span, SpanSanitizer.repaired(span).span, note, now)
        }
    }

    /// Ends what `beginTrace` announced.
    func endTrace(now: Int64) { assembler.endTrace(now: now) }

    /// Adds all spans of a request, whose traces need not stay together.
    ///
    /// - Complexity: O(bytes).
    func add(_ index: RequestIndex, body: Span<UInt8>, now: Int64) {
        let groupBytes = index.groupBytes.span
        for record in index.records {
            let group = index.groups[Int(record.group)]
            beginTrace(spans: 1, bytes: Int(record.length + group.resourceLength + group.scopeLength), now: now)
            add(
                group.groupHash, groupBytes.extracting(group.resourceRange), groupBytes.extracting(group.scopeRange),
                body.extracting(record.range), nil, now: now)
            endTrace(now: now)
        }
    }

    private func place(
        _ group: UInt64, _ resource: Span<UInt8>, _ scope: Span<UInt8>, _ span: Span<UInt8>, _ note: ScopeNote?, _ now: Int64
    ) {
        if let note {
            let noted = scopeNotes.header(scope, group: group, note)
            return place(noted.group, resource, noted.header.span, span, nil, now)
        }
        while assembler.add(groupHash: group, resource: resource, scope: scope, span: span) == .flushFirst {
            flush(.size, now: now)
        }
    }

    private func isValidGroup(_ group: UInt64, _ resource: Span<UInt8>, _ scope: Span<UInt8>) -> Bool {
        if validGroups.contains(group) { return true }
        guard SpanSanitizer.isValid(resource, as: .resourceHeader),
            SpanSanitizer.isValid(scope, as: .scopeHeader)
        else { return false }
        if validGroups.count >= 4096 { validGroups.removeAll(keepingCapacity: true) }
        validGroups.insert(group)
        return true
    }

    // MARK: batches

    private enum FlushTrigger { case size, time }

    /// Sends the batch off when its time has come (`force`: whatever there is).
    func flushIfDue(now: Int64, force: Bool = false) {
        guard let deadline = assembler.deadline else { return }
        if force || assembler.isFull || deadline <= now { flush(assembler.isFull ? .size : .time, now: now) }
    }

    private func flush(_ trigger: FlushTrigger, now: Int64) {
        guard var batch = assembler.flush() else { return }
        // A batch of our own is well-formed, and what no edit may exceed is larger than any: as it was, it goes on in any case.
        if let edited = try? after?.run(batch.message, unixNanoseconds: SystemClocks.unixNanoseconds()), edited.spans == batch.spans {
            batch.message = edited.message
        }
        let metrics = plan.batchMetrics
        cells.observe(metrics.sendSize, batch.spans)
        cells.add(trigger == .size ? metrics.sizeTriggers : metrics.timeoutTriggers)
        nextSequence += 1
        let request = ExportRequest(batch, sequence: nextSequence, createdAt: now)
        for route in routes { route.deliver(request, from: eventLoop) }
    }
}

internal import Delivery
package import NIOCore
internal import NativeCore
package import OTLP
internal import Sampling
package import Telemetry

/// One event loop, one shard of the trace-id space, and everything between a client's bytes and a destination's queue.
///
/// The hot path on one page: `accept` (inflate, walk, see that every owner has room, commit), `ingest` (own spans into the
/// shard), `decide` (due traces), `keep` (spans of sampled traces into the batch), `flush` (batch to every destination).
/// Confined to its event loop; other workers reach it through its `WorkerMailbox` only.
package final class Worker {
    package let number: Int
    package let eventLoop: any EventLoop
    let plan: NodePlan
    private let mailboxes: [WorkerMailbox]
    private var wakers: [() -> Void] = []
    package let cells: MetricCells
    package var ledger: LedgerCells

    private var shard: Shard
    private var assembler: BatchAssembler
    private var walker: RequestWalker
    private var index = RequestIndex()
    var inflater = Inflater()
    private var routes: [DestinationRoute] = []
    /// Ways to the exporters of signals that are passed on.
    var passThroughRoutes: [OTLPSignal: [DestinationRoute]] = [:]
    private var spansForWorker: [Int]
    var nextSequence: UInt64 = 0
    private var reportedBytes = 0
    private var validGroups: Set<UInt64> = []
    /// When decisions began to be held back since every destination is full.
    private var heldSince: Int64?

    /// What health checks say. Set by the owner when the node starts and stops serving.
    package var isServing = false
    /// Whether requests are taken; a node that stops serving still takes those that are under way.
    package var isAccepting = false

    /// - Parameters:
    ///   - mailboxes: of all workers, by number.
    package init(
        number: Int, eventLoop: any EventLoop, plan: NodePlan, mailboxes: [WorkerMailbox], now: Int64
    ) {
        self.number = number
        self.eventLoop = eventLoop
        self.plan = plan
        self.mailboxes = mailboxes
        cells = MetricCells(plan.metrics.layout)
        ledger = LedgerCells(destinationCount: plan.destinationNames.count)
        shard = Shard(settings: plan.shard, policies: plan.policies, now: now)
        assembler = BatchAssembler(settings: plan.batch, hashSeed: plan.hashKeys.first)
        walker = RequestWalker(keys: plan.hashKeys, interest: plan.policies.interest)
        spansForWorker = Array(repeating: 0, count: plan.workerCount)
    }

    /// Says where requests go. Once, before serving.
    ///
    /// - Parameters:
    ///   - routes: to the destinations, in the order of the ledger's cells.
    ///   - wakers: by worker number: makes that worker look into its mailbox.
    package func connect(_ routes: [DestinationRoute], wakers: [() -> Void]) {
        self.routes = routes
        self.wakers = wakers
    }

    package var now: Int64 { Int64(truncatingIfNeeded: NIODeadline.now().uptimeNanoseconds) }

    // MARK: accept

    /// Takes a whole request message, or says why not. After a return without error the spans are held by the workers that
    /// will decide on them.
    ///
    /// - Parameters:
    ///   - body: holds the message from `payloadStart` on.
    ///   - receiver: index into `NodeMetrics.receivers`.
    /// - Returns: the spans that were left out because they are malformed on their own, by reason.
    package func accept(
        body: consuming [UInt8], payloadStart: Int, form: BodyForm, receiver: Int
    ) throws(RequestRefusal) -> SpanRejectionCounts {
        guard isAccepting else {
            throw RequestRefusal(
                .notServing, .unavailable, "the node is shutting down or starting", retryAfter: plan.retryAfter)
        }
        guard plan.memory.admits(bytes: body.count) else {
            if form == BodyForm() { countRefused(body.span.extracting(payloadStart...), .memory, receiver) }
            throw refuseForMemory(receiver)
        }
        var payloadStart = payloadStart
        if form == BodyForm() {
            cells.add(plan.metrics.ingress.receivedIdentityBytes, body.count)
        } else {
            body = try plainMessage(body, payloadStart, form, .traces, receiver)
            payloadStart = 0
        }
        do {
            try walker.walk(body.span.extracting(payloadStart...), into: &index)
        } catch {
            throw RequestRefusal(.malformed, .invalidArgument, "not an ExportTraceServiceRequest: \(error)")
        }
        leaveOutOversized()
        plan.policies.evaluatePredicates(
            &index, body: body.span.extracting(payloadStart...), unixNanoseconds: SystemClocks.unixNanoseconds())
        let rejected = index.rejected
        let spans = index.records.count
        if plan.workerCount == 1 {
            let result = ingest(body.span.extracting(payloadStart...), index)
            ledger.accepted += spans
            settleLate(result, body.span.extracting(payloadStart...), index)
        } else {
            try distribute(body, payloadStart, receiver)
        }
        let metrics = plan.metrics.receivers[receiver]
        cells.add(metrics.acceptedSpans, spans)
        cells.add(metrics.acceptedRequests)
        if let limiter = plan.metrics.memoryLimiter { cells.add(limiter.acceptedSpans, spans) }
        if rejected.total > 0 { countRejected(rejected) }
        reportMemory()
        return rejected
    }

    /// Counts the spans of a request that is refused unread; quicker than taking them.
    private func countRefused(_ message: Span<UInt8>, _ reason: RefusalReason, _ receiver: Int) {
        walker.checksNested = false
        defer { walker.checksNested = true }
        guard (try? walker.walk(message, into: &index)) != nil else { return }
        noteRefused(index.records.count, reason, receiver)
    }

    private func noteRefused(_ spans: Int, _ reason: RefusalReason, _ receiver: Int) {
        cells.add(plan.metrics.ingress.refusedSpans[reason], spans)
        cells.add(plan.metrics.receivers[receiver].refusedSpans, spans)
        if reason == .memory, let limiter = plan.metrics.memoryLimiter { cells.add(limiter.refusedSpans, spans) }
    }

    /// For requests that are refused before their bytes have come.
    package func refuseForMemory(_ receiver: Int) -> RequestRefusal {
        RequestRefusal(
            .memory, .unavailable, "data refused due to high memory usage", retryAfter: plan.retryAfter)
    }

    /// Spans that no segment can hold are left out and counted. Only a large body can have any.
    private func leaveOutOversized() {
        let spanLimit = Shard.maximumSpanBytes
        let groupLimit = Shard.maximumGroupBytes
        guard index.spanBytes > spanLimit || index.groupBytes.count > groupLimit else { return }
        index.leaveOut(.tooLarge) { record, group in
            Int(record.length) > spanLimit || Int(group.resourceLength) + Int(group.scopeLength) > groupLimit
        }
    }

    /// Law 2: room in every target first, then commit to all.
    private func distribute(_ body: consuming [UInt8], _ payloadStart: Int, _ receiver: Int) throws(RequestRefusal) {
        let workers = UInt64(plan.workerCount)
        for worker in spansForWorker.indices { spansForWorker[worker] = 0 }
        for record in index.records { spansForWorker[Int(Shard.number(of: record.hash, among: workers))] += 1 }
        for worker in spansForWorker.indices where worker != number && spansForWorker[worker] > 0 {
            if !mailboxes[worker].hasRoom(from: number) {
                noteRefused(index.records.count, .mailboxFull, receiver)
                throw RequestRefusal(
                    .mailboxFull, .unavailable, "a part of the node is overloaded", retryAfter: plan.retryAfter)
            }
        }
        let request = ReceivedRequest(body: body, payloadStart: payloadStart, index: index)
        index = RequestIndex()
        index.records.reserveCapacity(request.index.records.count)
        for worker in spansForWorker.indices where worker != number && spansForWorker[worker] > 0 {
            ledger.handedToOtherWorkers += spansForWorker[worker]
            if mailboxes[worker].push(request, from: number) { wakers[worker]() }
        }
        ledger.accepted += request.index.records.count
        if spansForWorker[number] > 0 { take(request) }
    }

    // MARK: ingest

    /// Takes what other workers handed over. Called when woken.
    package func drainMailbox() {
        let more = mailboxes[number].drain(limit: 8) { request in
            ledger.takenFromOtherWorkers += take(request)
        }
        reportMemory()
        if more { eventLoop.assumeIsolated().execute { self.drainMailbox() } }
    }

    @discardableResult
    private func take(_ request: ReceivedRequest) -> Int {
        let body = request.body
        let payload = body.span.extracting(request.payloadStart...)
        let result = ingest(payload, request.index)
        settleLate(result, payload, request.index)
        return result.bufferedSpans + result.lateSampled.count + result.lateNotSampled + result.lateDropped
    }

    private func ingest(_ body: Span<UInt8>, _ index: RequestIndex) -> IngestResult {
        let result = shard.ingest(
            body: body, index: index, shard: UInt64(number), of: UInt64(plan.workerCount), now: now)
        ledger.buffered += result.bufferedSpans
        cells.add(plan.metrics.sampling.newTraces, result.newTraces)
        return result
    }

    /// Late spans follow the decision on their trace.
    private func settleLate(_ result: IngestResult, _ body: Span<UInt8>, _ index: RequestIndex) {
        let metrics = plan.metrics.sampling
        for age in result.lateAges { cells.observe(metrics.lateSpanAge, age) }
        if result.lateNotSampled > 0 {
            ledger.notSampled += result.lateNotSampled
            cells.add(metrics.lateSpans.notSampled, result.lateNotSampled)
            cells.add(metrics.earlyReleasesNotSampled, result.lateNotSampled)
        }
        if result.lateDropped > 0 {
            ledger.droppedByPolicy += result.lateDropped
            cells.add(metrics.lateSpans.dropped, result.lateDropped)
            cells.add(metrics.earlyReleasesNotSampled, result.lateDropped)
        }
        guard !result.lateSampled.isEmpty else { return }
        cells.add(metrics.lateSpans.sampled, result.lateSampled.count)
        cells.add(metrics.earlyReleasesSampled, result.lateSampled.count)
        noteSampled(result.lateSampled.count)
        let groupBytes = index.groupBytes.span
        for position in result.lateSampled {
            let record = index.records[Int(position)]
            let group = index.groups[Int(record.group)]
            beginTrace(spans: 1, bytes: Int(record.length + group.resourceLength + group.scopeLength))
            add(
                group.groupHash, groupBytes.extracting(group.resourceRange), groupBytes.extracting(group.scopeRange),
                body.extracting(record.range))
            assembler.endTrace(now: now)
        }
    }

    // MARK: decide

    /// Decides due traces for at most `budget` nanoseconds. With `early`, all traces are due. Returns whether more are due.
    package func decide(budget: Int64, early: Bool = false) -> Bool {
        let started = now
        if !early && isHeldBack(started) { return false }
        var current = started
        var decided = 0
        let metrics = plan.metrics.sampling
        while let trace = shard.nextDecision(now: started, early: early) {
            ledger.buffered -= trace.spanCount
            switch trace.decision.verdict {
            case .sampled:
                cells.add(metrics.tracesByDecision.sampled)
                keep(trace)
            case .notSampled:
                cells.add(metrics.tracesByDecision.notSampled)
                ledger.notSampled += trace.spanCount
            case .dropped:
                cells.add(metrics.tracesByDecision.dropped)
                ledger.droppedByPolicy += trace.spanCount
            }
            let lateness = max(0, current - trace.deadline)
            if !early { cells.observe(metrics.decisionLateness, Int(lateness / 1000)) }
            cells.observe(metrics.traceWindow, trace.ageMilliseconds)
            cells.observe(metrics.traceRemovalAge, trace.ageMilliseconds / 1000)
            decided += 1
            if decided & 15 == 0 {
                current = now
                if current - started > budget {
                    finishRun(started, current)
                    return true
                }
            }
        }
        finishRun(started, decided == 0 ? started : now)
        return false
    }

    private func finishRun(_ started: Int64, _ ended: Int64) {
        shard.freeDecided()
        if ended > started {
            cells.observe(plan.metrics.sampling.decisionTimerLatency, Int((ended - started) / 1_000_000))
        }
        reportMemory()
    }

    /// While no destination can take anything, traces stay undecided for a while rather than be lost: memory is then what
    /// pushes back, on clients.
    private func isHeldBack(_ now: Int64) -> Bool {
        guard !routes.isEmpty, routes.allSatisfy({ $0.isFull }) else {
            heldSince = nil
            return false
        }
        if let since = heldSince { return now - since < plan.decisionHoldTimeout }
        heldSince = now
        return true
    }

    /// Forgets every undecided trace: `drop_pending_traces_on_shutdown`. Returns the spans.
    package func dropPending() -> Int {
        var spans = 0
        while let trace = shard.nextDecision(now: now, early: true) {
            ledger.buffered -= trace.spanCount
            ledger.droppedByPolicy += trace.spanCount
            spans += trace.spanCount
            if trace.decision.verdict == .sampled { shard.finish(trace) }
        }
        shard.freeDecided()
        return spans
    }

    // MARK: keep

    private func keep(_ trace: DecidedTrace) {
        noteSampled(trace.spanCount)
        beginTrace(spans: trace.spanCount, bytes: trace.spanBytes + 512 * min(trace.spanCount, 64))
        for position in 0..<trace.spanCount {
            shard.withSpan(position) { group, resource, scope, span in add(group, resource, scope, span) }
        }
        assembler.endTrace(now: now)
        shard.finish(trace)
    }

    private func noteSampled(_ spans: Int) {
        ledger.sampled += spans
        for destination in ledger.destinations.indices { ledger.destinations[destination].offered += spans }
    }

    private func beginTrace(spans: Int, bytes: Int) {
        if assembler.beginTrace(spans: spans, bytes: bytes, now: now) { return }
        flush(.size)
        precondition(assembler.beginTrace(spans: spans, bytes: bytes, now: now), "an empty batch takes any trace")
    }

    /// Adds one span to the batch; what is no UTF-8 is repaired, since one bad text makes backends refuse a whole batch.
    private func add(_ group: UInt64, _ resource: Span<UInt8>, _ scope: Span<UInt8>, _ span: Span<UInt8>) {
        if SpanSanitizer.isValid(span) && isValidGroup(group, resource, scope) {
            place(group, resource, scope, span)
        } else {
            cells.add(plan.metrics.sampling.repairedSpans)
            place(
                group, SpanSanitizer.repaired(resource, as: .resourceHeader).span,
                SpanSanitizer.repaired(scope, as: .scopeHeader).span, SpanSanitizer.repaired(span).span)
        }
    }

    private func place(_ group: UInt64, _ resource: Span<UInt8>, _ scope: Span<UInt8>, _ span: Span<UInt8>) {
        while assembler.add(groupHash: group, resource: resource, scope: scope, span: span) == .flushFirst {
            flush(.size)
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

    // MARK: flush

    private enum FlushTrigger { case size, time }

    /// Sends the batch off when its time has come (`force`: whatever there is).
    package func flushIfDue(force: Bool = false) {
        guard let deadline = assembler.deadline else { return }
        if force || assembler.isFull || deadline <= now { flush(assembler.isFull ? .size : .time) }
    }

    private func flush(_ trigger: FlushTrigger) {
        guard let batch = assembler.flush() else { return }
        let metrics = plan.metrics.batch
        cells.observe(metrics.sendSize, batch.spans)
        cells.add(trigger == .size ? metrics.sizeTriggers : metrics.timeoutTriggers)
        nextSequence += 1
        let request = ExportRequest(batch, sequence: nextSequence, createdAt: now)
        for route in routes { route.deliver(request, from: self) }
    }

    // MARK: upkeep

    /// Gives memory back after a peak. About once a second.
    package func trim() {
        shard.trim()
        reportMemory()
    }

    /// Above the limit from which requests are refused, nothing is kept for reuse.
    package func relieveMemory() {
        if !plan.memory.admits(bytes: 0) {
            shard.discardSpare()
            reportMemory()
        }
    }

    /// Whether any trace or batch waits for its time.
    package var isWaiting: Bool { shard.traceCount > 0 || !assembler.isEmpty }

    private func reportMemory() {
        let bytes = shard.heldBytes
        if bytes != reportedBytes {
            plan.memory.mappedChanged(by: bytes - reportedBytes)
            reportedBytes = bytes
        }
    }

    private func countRejected(_ rejected: SpanRejectionCounts) {
        for reason in SpanRejection.allCases where rejected[reason] > 0 {
            cells.add(plan.metrics.ingress.rejectedSpans[reason.metric], rejected[reason])
        }
    }

    /// Traces and spans that wait for their decision.
    package var pendingTraces: Int { shard.traceCount }

    private static let verdictLabels: [(PolicyVerdict, DecisionLabel)] = [
        (.sampled, .sampled), (.notSampled, .notSampled), (.dropped, .dropped),
    ]

    /// Consistent figures of this worker, as of now.
    package func snapshot() -> WorkerSnapshot {
        let sampling = plan.metrics.sampling
        cells.set(sampling.tracesOnMemory, shard.traceCount)
        cells.set(sampling.windowTraces, shard.traceCount)
        cells.set(sampling.windowSpans, shard.bufferedSpans)
        cells.set(sampling.windowBytes, shard.bufferedBytes)
        cells.set(sampling.segments, shard.heldSegmentBytes / Shard.segmentBytes)
        cells.set(sampling.segmentUsedBytes, shard.usedSegmentBytes)
        cells.set(sampling.segmentAllocatedBytes, shard.heldSegmentBytes)
        cells.set(
            plan.metrics.workerBusyTime[number], total: Int(SystemClocks.threadCPUNanoseconds()))
        for (position, policy) in plan.metrics.policies.enumerated() {
            let tally = shard.tally
            var executions = tally[position, .failed].traces
            for (verdict, label) in Self.verdictLabels {
                let sum = tally[position, verdict]
                cells.set(policy.traces[label], total: sum.traces)
                cells.set(policy.spans[label], total: sum.spans)
                cells.set(policy.bytes[label], total: sum.bytes)
                executions += sum.traces
            }
            cells.set(policy.executions, total: executions)
        }
        return WorkerSnapshot(ledger: ledger, metrics: cells.snapshot())
    }
}

/// What a worker counted up to one moment between two turns of its loop.
package struct WorkerSnapshot: Sendable {
    package var ledger: LedgerCells
    package var metrics: MetricSnapshot
}

extension SpanRejection {
    /// The metric label of the reason.
    var metric: RejectionReason {
        switch self {
        case .traceIDLength: .traceIDLength
        case .traceIDZero: .traceIDZero
        case .spanIDLength: .spanIDLength
        case .spanIDZero: .spanIDZero
        case .parentSpanIDLength: .parentSpanIDLength
        case .linkIDLength: .linkIDLength
        case .nestingTooDeep: .nestingTooDeep
        case .unsupportedField: .unsupportedField
        case .tooLarge: .tooLarge
        }
    }
}

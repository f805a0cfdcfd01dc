internal import Cluster
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
    let mailboxes: [WorkerMailbox]
    private var wakers: [() -> Void] = []
    package let cells: MetricCells
    package var ledger: LedgerCells

    /// The policies in force, as far as this worker knows.
    var policies: PolicyInForce
    var shard: Shard
    var walker: RequestWalker
    var index = RequestIndex()
    var inflater = Inflater()
    /// The ways out of the traces pipelines, in the order of `NodePlan.pipelines`.
    let outboxes: [Outbox]
    /// That of the pipeline that samples; nil: no pipeline does.
    let sampledOutbox: Outbox?
    /// By listener: the ways out of the pipelines that take its spans and do not sample.
    let directOutboxes: [[Outbox]]
    /// By pipeline: its processors before sampling, or all of them without sampling; nil: none.
    var chains: [ChainRunner?]
    /// By listener: whether its spans wait for their traces' decisions.
    let isSampled: [Bool]
    /// This worker's part in the cluster; nil: the node is alone.
    package var lane: ClusterLane?
    /// The ways out of the pipelines of metrics and logs.
    let signalOutboxes: [SignalOutbox]
    private var spansForWorker: [Int]
    private var reportedBytes = 0
    /// Decided traces that are being carried out.
    var run: [DecidedTrace] = []
    /// The sample of traces that somebody is collecting.
    var recording: TraceRecording?
    /// When decisions began to be held back since every destination is full.
    var heldSince: Int64?

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
        cells = MetricCells(plan.policies.book.layout)
        ledger = LedgerCells(destinationCount: plan.destinationNames.count, pipelineCount: plan.pipelines.count)
        policies = plan.policies
        shard = Shard(settings: plan.shard, version: plan.policies.version, keys: plan.hashKeys, now: now)
        shard.clock = { SystemClocks.monotonicNanoseconds() }
        let outboxes = plan.pipelines.indices.map { [cells] in Outbox(number: $0, of: plan, cells: cells, eventLoop: eventLoop) }
        self.outboxes = outboxes
        signalOutboxes = plan.signalPipelines.map { SignalOutbox($0, keys: plan.hashKeys, eventLoop: eventLoop) }
        sampledOutbox = outboxes.first { plan.pipelines[$0.number].isSampled }
        directOutboxes = plan.limits.indices.map { listener in
            outboxes.filter {
                let pipeline = plan.pipelines[$0.number]
                return !pipeline.isSampled && pipeline.listeners.contains(listener)
            }
        }
        isSampled = plan.limits.indices.map { listener in
            plan.pipelines.contains { $0.isSampled && $0.listeners.contains(listener) }
        }
        chains = plan.pipelines.map { pipeline in pipeline.before.map { ChainRunner($0, keys: plan.hashKeys) } }
        walker = RequestWalker(keys: plan.hashKeys, interest: plan.policies.version.interest)
        spansForWorker = Array(repeating: 0, count: plan.workerCount)
    }

    /// Says where requests go. Once, before serving.
    ///
    /// - Parameters:
    ///   - routes: to the destinations, in the order of the ledger's cells.
    ///   - wakers: by worker number: makes that worker look into its mailbox.
    package func connect(_ routes: [DestinationRoute], wakers: [() -> Void]) {
        for outbox in outboxes { outbox.connect(routes) }
        self.wakers = wakers
    }

    package var now: Int64 { Int64(truncatingIfNeeded: NIODeadline.now().uptimeNanoseconds) }

    // MARK: accept

    /// Memory of the index that is kept from one request to the next: that of 16,384 spans.
    private static let maximumKeptIndexBytes = 1 << 20
    private static let keptRecords = maximumKeptIndexBytes / MemoryLayout<SpanRecord>.stride

    /// Bytes of memory that are kept for the next request.
    var keptIndexBytes: Int { index.capacityBytes }

    /// Takes a whole request message, or says why not. After a return without error the spans are held by the workers that
    /// will decide on them.
    ///
    /// - Parameters:
    ///   - body: holds the message from `payloadStart` on.
    ///   - receiver: index into `NodeMetrics.receivers`.
    package func accept(
        body: consuming [UInt8], payloadStart: Int, form: BodyForm, receiver: Int
    ) throws(RequestRefusal) -> Acceptance {
        guard isAccepting else {
            throw RequestRefusal(
                .notServing, .unavailable, "the node is shutting down or starting", retryAfter: plan.retryAfter)
        }
        return try take(body, payloadStart, form, receiver, from: nil)
    }

    /// `accept`, for clients and peers.
    ///
    /// - Parameter headers: of the peer that forwards these spans; nil: a client sends them.
    func take(
        _ body: consuming [UInt8], _ payloadStart: Int, _ form: BodyForm, _ receiver: Int, from headers: ForwardHeaders?
    ) throws(RequestRefusal) -> Acceptance {
        defer { index.discardCapacity(above: Self.maximumKeptIndexBytes) }
        // The body itself has been charged while it came.
        guard plan.memory.admits(bytes: 0) else {
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
        if headers == nil && !directOutboxes[receiver].isEmpty {
            try passTraces(body, payloadStart, receiver)
            if !isSampled[receiver] { return Acceptance(rejected: index.rejected) }
        }
        var edited: ChainRunner.Outcome?
        if headers == nil, let outbox = sampledOutbox, chains[outbox.number] != nil {
            let outcome = try runChain(outbox.number, payloadStart == 0 ? body : Array(body[payloadStart...]), receiver)
            edited = outcome
            body = outcome.message
            payloadStart = 0
        }
        // What a peer forwards it has checked to the bottom.
        walker.checksNested = headers == nil
        let indexBytes = try reserveIndex(body.span.extracting(payloadStart...), receiver, from: headers)
        defer { plan.memory.release(indexBytes) }
        do throws(WalkError) {
            try walker.walk(body.span.extracting(payloadStart...), into: &index)
        } catch {
            throw .notSpans(error)
        }
        if let edited { index.rejected.add(edited.rejected) }
        Shard.leaveOutOversized(&index)
        let spans = index.records.count
        let hop = headers?.hop ?? 0
        let parts = try lane?.part(body.span.extracting(payloadStart...), &index, from: headers)
        let clock = SystemClocks.unixNanoseconds()
        let shadow = policies.version.evaluatePredicates(
            &index, body: body.span.extracting(payloadStart...), unixNanoseconds: clock)
        if plan.refusesExcessTraces { try refuseIfFull(receiver) }
        let cost = shard.cost(of: index, shards: plan.workerCount).bytes
        try reserve(cost, beside: body.count, spans: index.records.count, receiver, from: headers)
        let rejected = index.rejected
        let isForeign = hop > 1 && lane?.hasForeign(index.records) == true
        if plan.workerCount == 1 {
            let message = body.span.extracting(payloadStart...)
            let result = ingest(message, index, policies.version, shadow)
            ledger.accepted += index.records.count
            settle(result, message, index)
        } else {
            try distribute(body, payloadStart, receiver, shadow, cost)
        }
        let filtered = edited?.dropped ?? 0
        ledger.accepted += filtered
        ledger.filtered += filtered
        if isForeign { lane?.shared.noteForeignTraces() }
        if rejected.total > 0 { countRejected(rejected) }
        reportMemory()
        // With several workers, the last one that takes spans of the request releases it.
        if plan.workerCount == 1 { plan.memory.release(cost) }
        guard let lane, let parts, !parts.parts.isEmpty else {
            countTaken(spans + filtered, hop: hop, receiver: receiver)
            return Acceptance(rejected: rejected)
        }
        let isHeld = parts.localSpans > 0
        switch lane.submit(parts, localSpansHeld: isHeld, hop: hop, spans: spans, receiver: receiver) {
        case .settled(nil): return Acceptance(rejected: rejected)
        case .settled(let delay?): throw lane.refusal(after: delay)
        case .pending(let token): return Acceptance(rejected: rejected, pending: token)
        }
    }

    // MARK: cost

    /// Bodies up to this length are walked without asking what they hold: their index takes little.
    private static let smallBody = 64 << 10
    /// The index of a body takes at most so many times its length: a span has 30 bytes at least, and may have a group of its own
    /// (64 and 56 bytes); headers are copied; arrays that grow are copied, so that for a moment there are both.
    private static let worstIndexFactor = 15

    /// Sets aside what the index of a large body will take, or says why the request is refused. A body of ids alone has an index of
    /// more than twice its size.
    ///
    /// - Returns: the bytes, to be released when the walk's results are used no longer.
    func reserveIndex(
        _ message: Span<UInt8>, _ receiver: Int, from headers: ForwardHeaders?
    ) throws(RequestRefusal) -> Int {
        guard message.count > Self.smallBody else { return 0 }
        // Mostly there is room for whatever the body holds. Otherwise it is read once more, to know.
        let worst = message.count * Self.worstIndexFactor
        if plan.memory.tryReserve(worst) { return worst }
        guard let found = try? walker.measure(message) else { return 0 }
        // Arrays that grow are copied: for a moment there are both.
        let bytes =
            3 * (found.spans * MemoryLayout<SpanRecord>.stride + found.groups * MemoryLayout<GroupRecord>.stride + found.groupBytes)
        try reserve(bytes, beside: message.count, spans: found.spans, receiver, from: headers)
        return bytes
    }

    /// Sets memory aside that a request needs beside its body, or says why the request is refused: for now, or for good if an idle node
    /// could not hold it. A peer is always told to come again: it answers for the spans.
    private func reserve(
        _ bytes: Int, beside body: Int, spans: Int, _ receiver: Int, from headers: ForwardHeaders?
    ) throws(RequestRefusal) {
        if plan.memory.tryReserve(bytes) { return }
        if headers == nil && !plan.memory.canEverHold(body + bytes) {
            noteRefused(spans, .exceedsMemory, receiver)
            throw RequestRefusal(
                .exceedsMemory, .resourceExhausted,
                "a message of \(spans) spans that needs \(body + bytes) bytes of memory is larger than what this node has for it (\(plan.memory.greatestHoldingBytes) bytes when idle)")
        }
        noteRefused(spans, .memory, receiver)
        throw refuseForMemory(receiver)
    }

    /// Counts the spans of a request that is answered with OK.
    func countTaken(_ spans: Int, hop: UInt8, receiver: Int) {
        guard hop == 0 else {
            ledger.fromPeers += spans
            return
        }
        let metrics = plan.metrics.receivers[receiver]
        cells.add(metrics.acceptedSpans, spans)
        cells.add(metrics.acceptedRequests)
        plan.metrics.memoryLimiter?.countAccepted(spans, in: cells)
    }

    /// Counts the spans of a request that is refused unread; quicker than taking them.
    private func countRefused(_ message: Span<UInt8>, _ reason: RefusalReason, _ receiver: Int) {
        walker.checksNested = false
        guard let found = try? walker.measure(message) else { return }
        noteRefused(found.spans, reason, receiver)
    }

    func noteRefused(_ spans: Int, _ reason: RefusalReason, _ receiver: Int) {
        cells.add(plan.metrics.ingress.refusedSpans[reason], spans)
        // Peers have no series of their own: their spans are some node's clients'.
        if receiver < plan.metrics.receivers.count { cells.add(plan.metrics.receivers[receiver].refusedSpans, spans) }
        if reason == .memory { plan.metrics.memoryLimiter?.countRefused(spans, in: cells) }
    }

    /// For requests that are refused before their bytes have come.
    package func refuseForMemory(_ receiver: Int) -> RequestRefusal {
        RequestRefusal(
            .memory, .unavailable, "data refused due to high memory usage", retryAfter: plan.retryAfter)
    }

    /// Refuses a request if a worker that owns spans of it takes no further traces.
    private func refuseIfFull(_ receiver: Int) throws(RequestRefusal) {
        let workers = UInt64(plan.workerCount)
        guard mailboxes.contains(where: { $0.takesNoTraces }) else { return }
        let isRefused = index.records.contains { mailboxes[Int(Shard.number(of: $0.hash, among: workers))].takesNoTraces }
        guard isRefused else { return }
        noteRefused(index.records.count, .traceLimit, receiver)
        throw RequestRefusal(
            .traceLimit, .unavailable, "num_traces traces wait for their decision", retryAfter: plan.retryAfter)
    }

    /// A mailbox is emptied within a fraction of a second, by a worker that runs.
    private static let mailboxRetryAfter: Int64 = 200_000_000

    /// Law 2: room in every target first, then commit to all.
    ///
    /// - Parameter cost: what has been set aside for the spans, bytes; released when the last owner has them.
    private func distribute(
        _ body: consuming [UInt8], _ payloadStart: Int, _ receiver: Int, _ shadow: RequestIndex?, _ cost: Int
    ) throws(RequestRefusal) {
        if index.records.isEmpty { return plan.memory.release(cost) }
        let workers = UInt64(plan.workerCount)
        for worker in spansForWorker.indices { spansForWorker[worker] = 0 }
        for record in index.records { spansForWorker[Int(Shard.number(of: record.hash, among: workers))] += 1 }
        for worker in spansForWorker.indices where worker != number && spansForWorker[worker] > 0 {
            if !mailboxes[worker].hasRoom(from: number) {
                plan.memory.release(cost)
                noteRefused(index.records.count, .mailboxFull, receiver)
                throw RequestRefusal(
                    .mailboxFull, .unavailable, "a part of the node is overloaded", retryAfter: Self.mailboxRetryAfter)
            }
        }
        let request = ReceivedRequest(
            body: body, payloadStart: payloadStart, index: index, version: policies.version,
            shadow: shadow, cost: cost, isReserved: true, memory: plan.memory)
        index = RequestIndex()
        index.records.reserveCapacity(min(request.index.records.count, Self.keptRecords))
        for worker in spansForWorker.indices where worker != number && spansForWorker[worker] > 0 {
            ledger.handedToOtherWorkers += spansForWorker[worker]
            if mailboxes[worker].push(request, from: number) { wakers[worker]() }
        }
        ledger.accepted += request.index.records.count
        if spansForWorker[number] > 0 { takeOver(request) }
    }

    // MARK: ingest

    /// Makes a request of spans that this node has accepted, or that a peer hands over, for all workers. Spans that no segment
    /// can hold are left out: `index.rejected` says how many.
    func received(_ payload: [UInt8]) throws(WalkError) -> ReceivedRequest {
        walker.checksNested = false
        try walker.walk(payload.span, into: &index)
        Shard.leaveOutOversized(&index)
        let shadow = policies.version.evaluatePredicates(
            &index, body: payload.span, unixNanoseconds: SystemClocks.unixNanoseconds())
        let request = ReceivedRequest(
            body: payload, payloadStart: 0, index: index, version: policies.version,
            shadow: shadow, cost: shard.cost(of: index, shards: plan.workerCount).bytes, memory: plan.memory)
        index = RequestIndex()
        return request
    }

    /// Takes what other workers handed over. Called when woken.
    package func drainMailbox() {
        let more = mailboxes[number].drain(limit: 8) { request in
            ledger.takenFromOtherWorkers += takeOver(request).spans
        }
        reportMemory()
        // Not at once: that would be the same turn of the loop, and its own clients would wait until the others send nothing.
        if more { eventLoop.assumeIsolated().scheduleTask(in: .microseconds(20)) { self.drainMailbox() } }
    }

    @discardableResult
    func takeOver(_ request: ReceivedRequest) -> (spans: Int, late: Int) {
        let body = request.body
        let payload = body.span.extracting(request.payloadStart...)
        let result = ingest(payload, request.index, request.version, request.shadow)
        settle(result, payload, request.index)
        let late = result.lateSampled.count + result.lateNotSampled + result.lateDropped
        return (result.bufferedSpans + late + result.refusedSpans, late)
    }

    private func ingest(
        _ body: Span<UInt8>, _ index: RequestIndex, _ version: PolicyVersion, _ shadow: RequestIndex?
    ) -> IngestResult {
        let result = shard.ingest(
            body: body, index: index, shard: UInt64(number), of: UInt64(plan.workerCount), now: now, version: version,
            shadow: shadow, unixNanoseconds: SystemClocks.unixNanoseconds())
        ledger.buffered += result.bufferedSpans
        if result.refusedSpans > 0 {
            ledger.lose(result.spansWithoutRoom, .noRoom)
            ledger.lose(result.oversizedSpans, .tooLarge)
        }
        cells.add(plan.metrics.sampling.newTraces, result.newTraces)
        return result
    }

    /// What arriving spans bring about at once: late ones follow the decision on their trace, and traces that they settled go.
    private func settle(_ result: IngestResult, _ body: Span<UInt8>, _ index: RequestIndex) {
        if !result.lateAges.isEmpty { settleLate(result, body, index) }
        if shard.hasSettled || plan.shard.maximumTraces > 0 { decideArrivals() }
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
        guard let outbox = sampledOutbox else { return }
        let now = now
        let groupBytes = index.groupBytes.span
        for (number, position) in result.lateSampled.enumerated() {
            let record = index.records[Int(position)]
            let group = index.groups[Int(record.group)]
            outbox.beginTrace(spans: 1, bytes: Int(record.length + group.resourceLength + group.scopeLength), now: now)
            outbox.add(
                group.groupHash, groupBytes.extracting(group.resourceRange), groupBytes.extracting(group.scopeRange),
                body.extracting(record.range), lateNote(result.latePolicies[number]), now: now)
            outbox.endTrace(now: now)
        }
    }

    // MARK: upkeep

    /// Takes over what a reload changed. Traces that have begun keep the policies that they began with.
    package func install(_ new: PolicyInForce) {
        cells.adopt(new.book.layout)
        policies = new
        walker.interest = new.version.interest
        shard.install(new.version, tuning: new.tuning)
        countVerdicts()
        reportMemory()
    }

    /// Gives memory back after a peak, and settles what was only counted aside. About once a second.
    package func trim() {
        shard.trim()
        countVerdicts()
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
    package var isWaiting: Bool { shard.traceCount > 0 || outboxes.contains { !$0.isEmpty } || signalOutboxes.contains { !$0.isEmpty } || recording != nil }

    func reportMemory() {
        let bytes = shard.heldBytes + shard.standingBytes
        if bytes != reportedBytes {
            plan.memory.mappedChanged(by: bytes - reportedBytes)
            reportedBytes = bytes
        }
    }

    func countRejected(_ rejected: SpanRejectionCounts) {
        for reason in SpanRejection.allCases where rejected[reason] > 0 {
            cells.add(plan.metrics.ingress.rejectedSpans[reason.metric], rejected[reason])
        }
    }

    /// Traces and spans that wait for their decision.
    package var pendingTraces: Int { shard.traceCount }
}

/// How a request was taken.
package struct Acceptance: Sendable {
    /// The spans that were left out because they are malformed on their own, by reason.
    package var rejected: SpanRejectionCounts
    /// Its spans are on their way to the nodes that own their traces; the client's answer waits for theirs
    /// (`ClusterLane.whenSettled`).
    package var pending: UInt64?

    init(rejected: SpanRejectionCounts, pending: UInt64? = nil) {
        self.rejected = rejected
        self.pending = pending
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

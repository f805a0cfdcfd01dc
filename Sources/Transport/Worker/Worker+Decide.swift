internal import Delivery
internal import OTLP
internal import Sampling
internal import Telemetry

// What becomes of traces: decided, kept, batched, sent.

extension Worker {
    /// Decides due traces for at most `budget` nanoseconds. With `early`, all traces are due. Returns whether there is more to do.
    ///
    /// Large traces are read a few spans a turn, after what is due, for at most `readingBudget`: a trace of any size delays no
    /// other one, and no request.
    package func decide(budget: Int64, readingBudget: Int64 = .max, early: Bool = false) -> Bool {
        let started = now
        if !early && isHeldBack(started) { return false }
        if recording != nil { paceRecording(started) }
        var current = started
        var decided = 0
        let metrics = plan.metrics.sampling
        // While traces change their owners, the new one waits for what is on its way.
        let limit = early ? started : lane?.decisionLimit(started) ?? started
        while true {
            shard.decideRun(&run, now: limit, early: early)
            if run.isEmpty { break }
            for trace in run {
                if trace.isReadable { shard.beginReading(trace) }
                conclude(trace)
                let lateness = max(0, current - trace.deadline)
                if !early { cells.observe(metrics.decisionLateness, Int(lateness / 1000)) }
            }
            decided += run.count
            current = now
            if current - started > budget {
                keepLargePart()
                finishRun(started, now)
                return true
            }
        }
        var more = shard.hasLarge
        let reading = current
        while more {
            keepLargePart()
            current = now
            decided += 1
            more = shard.hasLarge
            if current - started > budget || current - reading > readingBudget { break }
        }
        finishRun(started, decided == 0 ? started : now)
        return more
    }

    /// Decides what arriving spans settled, and the oldest traces if there are too many.
    func decideArrivals() {
        while shard.hasSettled, let trace = shard.nextDecision(now: now) { conclude(trace) }
        if plan.refusesExcessTraces {
            mailboxes[number].takesNoTraces = shard.pendingTraces >= plan.shard.maximumTraces
            return
        }
        while shard.excessTraces > 0, let trace = shard.nextDecision(now: now, early: true) {
            conclude(trace)
            cells.add(plan.metrics.sampling.tracesDecidedEarly)
        }
    }

    /// Carries a decision out.
    func conclude(_ trace: DecidedTrace) {
        let metrics = plan.metrics.sampling
        ledger.buffered -= trace.spanCount
        switch trace.decision.verdict {
        case .sampled:
            cells.add(metrics.tracesByDecision.sampled)
            noteSampled(trace.spanCount)
            if !trace.isLarge { keep(trace) }
        case .notSampled:
            // As in the Collector, what outgrew the limit has a count of its own.
            cells.add(trace.cause == .tooLarge ? metrics.tracesDroppedTooLarge : metrics.tracesByDecision.notSampled)
            ledger.notSampled += trace.spanCount
        case .dropped:
            cells.add(metrics.tracesByDecision.dropped)
            ledger.droppedByPolicy += trace.spanCount
        }
        if trace.isRecorded && !trace.isLarge { record(trace) }
        if trace.isReadable { shard.finish(trace) }
        cells.observe(metrics.traceWindow, trace.ageMilliseconds)
        cells.observe(metrics.traceRemovalAge, trace.ageMilliseconds / 1000)
    }

    private func finishRun(_ started: Int64, _ ended: Int64) {
        shard.freeDecided()
        if plan.refusesExcessTraces {
            mailboxes[number].takesNoTraces = shard.pendingTraces >= plan.shard.maximumTraces
        }
        if ended > started {
            cells.observe(plan.metrics.sampling.decisionTimerLatency, Int((ended - started) / 1_000_000))
        }
        reportMemory()
    }

    /// While no destination can take anything, traces stay undecided for a while rather than be lost: memory is then what
    /// pushes back, on clients.
    private func isHeldBack(_ now: Int64) -> Bool {
        guard sampledOutbox?.isBlocked == true else {
            heldSince = nil
            return false
        }
        if let since = heldSince { return now - since < plan.decisionHoldTimeout }
        heldSince = now
        return true
    }

    /// Forgets every undecided trace: `drop_pending_traces_on_shutdown`. Returns the spans.
    package func dropPending() -> Int {
        // What is decided already is kept.
        while shard.hasSettled, let trace = shard.nextDecision(now: now) { conclude(trace) }
        while shard.hasLarge { keepLargePart() }
        let spans = shard.forgetPending(now: now)
        ledger.buffered -= spans
        ledger.droppedByPolicy += spans
        return spans
    }

    // MARK: keep

    private func keep(_ trace: DecidedTrace) {
        guard let outbox = sampledOutbox else { return }
        let now = now
        outbox.beginTrace(spans: trace.spanCount, bytes: trace.spanBytes + 512 * min(trace.spanCount, 64), now: now)
        let note = note(policy: trace.policyNumber, compositePolicy: trace.compositePolicy)
        for position in 0..<trace.spanCount {
            shard.withSpan(position) { group, resource, scope, span in
                outbox.add(group, resource, scope, span, note, now: now)
            }
        }
        outbox.endTrace(now: now)
    }

    /// Spans of a large trace that are added to the batch in one go: about 0.2 ms.
    private static let largePart = 256

    /// Keeps the next spans of the large traces, as if they were a trace by themselves.
    private func keepLargePart() {
        guard let part = shard.nextLargePart(limit: Self.largePart), part.spanCount > 0 else { return }
        if part.decided.isRecorded { record(part) }
        guard part.decided.decision.verdict == .sampled else { return }
        guard let outbox = sampledOutbox else { return }
        let now = now
        outbox.beginTrace(spans: part.spanCount, bytes: part.spanBytes + 512 * min(part.spanCount, 64), now: now)
        let note = note(policy: part.decided.policyNumber, compositePolicy: part.decided.compositePolicy)
        for position in 0..<part.spanCount {
            shard.withSpan(position) { group, resource, scope, span in
                outbox.add(group, resource, scope, span, note, now: now)
            }
        }
        outbox.endTrace(now: now)
    }

    /// What kept spans say about the decision; nil without `record_policy`.
    private func note(policy: UInt16?, compositePolicy: String?) -> ScopeNote? {
        guard policies.recordsPolicy else { return nil }
        return ScopeNote(policy: policy.flatMap { policyName($0) }, compositePolicy: compositePolicy)
    }

    /// What late spans of sampled traces say.
    func lateNote(_ policy: UInt16) -> ScopeNote? {
        guard policies.recordsPolicy else { return nil }
        return ScopeNote(policy: policyName(policy), isCached: true)
    }

    func noteSampled(_ spans: Int) {
        ledger.sampled += spans
        if let outbox = sampledOutbox { noteOffered(spans, by: outbox) }
    }

    /// Spans are on their way to every destination of a pipeline.
    func noteOffered(_ spans: Int, by outbox: Outbox) {
        for destination in plan.pipelines[outbox.number].destinations { ledger.destinations[destination].offered += spans }
    }

    // MARK: flush

    /// Sends off the batches whose time has come (`force`: whatever there is).
    package func flushIfDue(force: Bool = false) {
        let now = now
        for outbox in outboxes { outbox.flushIfDue(now: now, force: force) }
        for outbox in signalOutboxes { outbox.flushIfDue(now: now, force: force) }
    }
}

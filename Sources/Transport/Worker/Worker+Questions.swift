internal import Delivery
internal import NativeCore
package import OTLP
package import Sampling
internal import Telemetry

// What a worker tells about itself and its traces. Asked by the admin endpoint, on the worker's loop.

extension Worker {
    /// Consistent figures of this worker, as of now.
    package func snapshot() -> WorkerSnapshot {
        let sampling = plan.metrics.sampling
        cells.set(sampling.tracesOnMemory, shard.pendingTraces)
        cells.set(sampling.windowTraces, shard.pendingTraces)
        cells.set(sampling.windowSpans, shard.bufferedSpans)
        cells.set(sampling.windowBytes, shard.bufferedBytes)
        cells.set(sampling.segments, shard.heldSegmentBytes / Shard.segmentBytes)
        cells.set(sampling.segmentUsedBytes, shard.usedSegmentBytes)
        cells.set(sampling.segmentAllocatedBytes, shard.heldSegmentBytes)
        cells.set(
            plan.metrics.workerBusyTime[number], total: Int(SystemClocks.threadCPUNanoseconds()))
        cells.set(sampling.decisionRecordsBytes, shard.decisionLogBytes)
        countVerdicts()
        var ledger = ledger
        lane?.fill(&ledger)
        return WorkerSnapshot(ledger: ledger, metrics: cells.snapshot())
    }

    private static let verdictLabels: [(PolicyVerdict, DecisionLabel)] = [
        (.sampled, .sampled), (.notSampled, .notSampled), (.dropped, .dropped),
    ]

    /// Enters what the policies said since the last call into the cells.
    func countVerdicts() {
        let book = policies.book
        for counted in shard.takeVerdicts() {
            for (position, number) in counted.version.policyNumbers.enumerated() where Int(number) < book.policies.count {
                count(counted, position, book.policies[Int(number)])
            }
            for (position, number) in counted.version.shadowNumbers.enumerated()
            where Int(number) < book.shadowPolicies.count {
                for (verdict, label) in Self.verdictLabels {
                    cells.add(book.shadowPolicies[Int(number)][label], counted.shadow[position, verdict].traces)
                }
            }
        }
        guard let shadow = book.shadow else { return }
        for (_, live) in Self.verdictLabels {
            for (_, other) in Self.verdictLabels {
                let traces = shard.shadowComparison.traces(live: live.verdict, shadow: other.verdict)
                cells.set(shadow.traces(live: live, shadow: other), total: traces)
            }
        }
    }

    private func count(_ counted: CountedVerdicts, _ position: Int, _ metrics: PolicyMetrics) {
        let failed = counted.live[position, .failed].traces
        var executions = failed
        for (verdict, label) in Self.verdictLabels {
            let sum = counted.live[position, verdict]
            cells.add(metrics.traces[label], sum.traces)
            cells.add(metrics.spans[label], sum.spans)
            cells.add(metrics.bytes[label], sum.bytes)
            executions += sum.traces
        }
        cells.add(metrics.executions, executions)
        if failed > 0 { cells.add(plan.metrics.sampling.policyEvaluationErrors, failed) }
        if position < counted.nanoseconds.count {
            cells.add(metrics.executionTime, counted.nanoseconds[position] / 1000)
        }
    }

    /// The name of a policy by its number in the node.
    package func policyName(_ number: UInt16) -> String? {
        let names = policies.book.names
        return Int(number) < names.count ? names[Int(number)] : nil
    }

    /// The versions that traces of this worker are judged by, that in force first.
    package var versionsInUse: [VersionUse] { shard.versionsInUse }

    /// What the shadow set would have done so far.
    package var shadowComparison: ShadowComparison { shard.shadowComparison }

    /// Why a trace of this worker was kept or not; nil if it is unknown.
    package func explain(_ traceID: TraceID) -> TraceExplanation? {
        shard.explain(traceID, hash: plan.hashKeys.hash(traceID), now: now)
    }

    // MARK: recording

    /// Collects a sample of whole traces for so many nanoseconds, at most so many bytes. One at a time: it replaces another one.
    package func startRecording(duration: Int64, maximumBytes: Int) {
        recording = TraceRecording(duration: duration, maximumBytes: maximumBytes, now: now)
        shard.recordingThreshold = .max
    }

    /// What was recorded since the last call, one `ExportTraceServiceRequest` per trace, or per part of a large one.
    package func takeRecording() -> [[UInt8]] { recording?.take() ?? [] }

    package func stopRecording() {
        recording = nil
        shard.recordingThreshold = nil
    }

    /// Adapts the share of traces to the room, and ends what nobody has fetched in time.
    func paceRecording(_ now: Int64) {
        guard var current = recording.take() else { return }
        if current.isOver(now) {
            shard.recordingThreshold = nil
            // Somebody is fetching the rest, or has gone: then it goes with the next beat but one.
            if current.isAbandoned(now) { return }
        } else {
            current.pace(now)
            shard.recordingThreshold = current.threshold
        }
        recording = consume current
    }

    func record(_ trace: DecidedTrace) {
        guard var current = recording.take() else { return }
        if current.begin(spans: trace.spanCount, bytes: trace.spanBytes, now: now) { record(trace.spanCount, &current) }
        recording = consume current
    }

    /// Records a part of a large trace, if there was room for all of it when the first part came.
    func record(_ part: LargeTracePart) {
        guard var current = recording.take() else { return }
        if current.beginPart(of: part.decided, spans: part.spanCount, bytes: part.spanBytes, now: now) {
            record(part.spanCount, &current)
        }
        recording = consume current
    }

    private func record(_ spans: Int, _ current: inout TraceRecording) {
        for position in 0..<spans {
            shard.withSpan(position) { group, resource, scope, span in current.add(group, resource, scope, span) }
        }
        current.end(now)
    }
}

extension DecisionLabel {
    /// The verdict that the label stands for.
    fileprivate var verdict: Verdict {
        switch self {
        case .sampled: .sampled
        case .notSampled: .notSampled
        case .dropped: .dropped
        }
    }
}

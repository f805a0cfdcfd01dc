internal import BasicContainers
internal import OTLP

// `sampling_strategy: span-ingest`: the spans of one trace under one resource of a request are a *fragment*, which is judged by
// itself as it comes. What a fragment settles is settled: sampled traces leave at once with all that waited, dropped ones go. A
// trace that no fragment settled is not sampled when its time has come. Policies see the fragment's spans alone, but the count
// and bytes of all spans so far.
//
// One deviation from the Collector: there, a drop policy that does not match keeps all other policies from being asked, so with
// one nothing is ever sampled. Here all policies are asked, as for whole traces.

extension Shard {
    /// `ingest` for `ShardSettings.isSpanIngest`.
    ///
    /// - Complexity: O(spans), and O(policies) per fragment.
    mutating func ingestFragments(
        body: Span<UInt8>, index: RequestIndex, shard: UInt64, of shards: UInt64, now: Int64, arrival: Int
    ) -> IngestResult {
        var result = IngestResult()
        let second = second(now)
        nextRequest()
        var start = 0
        while start < index.records.count {
            let resource = index.groups[Int(index.records[start].group)].resourceOffset
            var end = start + 1
            while end < index.records.count,
                index.groups[Int(index.records[end].group)].resourceOffset == resource
            {
                end += 1
            }
            var fragments: [Fragment] = []
            var known: [TraceID: Int] = [:]
            for position in start..<end {
                let record = index.records[position]
                guard shards == 1 || Shard.number(of: record.hash, among: shards) == shard else { continue }
                if let number = known[record.traceID], fragments[number].entry >= 0 {
                    take(position, into: &fragments[number], body, index, now: now, arrival: arrival, &result)
                } else if let late = lateDecision(record, second) {
                    noteLate(late, position, record, &result)
                } else {
                    guard let begun = beginFragment(record, now: now, arrival: arrival, &result) else {
                        result.spansWithoutRoom += 1
                        continue
                    }
                    known[record.traceID] = fragments.count
                    fragments.append(begun)
                    take(position, into: &fragments[fragments.count - 1], body, index, now: now, arrival: arrival, &result)
                }
            }
            for fragment in fragments { judge(fragment, now: now) }
            start = end
        }
        bufferedSpans += result.bufferedSpans
        bufferedBytes += result.bufferedBytes
        endRequest()
        return result
    }

    /// The spans of one trace under one resource.
    private struct Fragment {
        /// -1: its only span so far was refused, and its trace is forgotten.
        var entry: Int
        var summary: TraceSummary
        var side: [UInt64]
        /// It outgrew the size limit: what follows is late.
        var isOver = false
    }

    private mutating func lateDecision(_ record: SpanRecord, _ second: UInt64) -> LateDecision? {
        if let entry = table.find(record.traceID, hash: record.hash) {
            return table[entry].flags.contains(.isSettled) ? settledDecision(entry, record, second) : nil
        }
        return remembered(record, second)
    }

    private mutating func beginFragment(
        _ record: SpanRecord, now: Int64, arrival: Int, _ result: inout IngestResult
    ) -> Fragment? {
        let seen = milliseconds(now)
        let entry: Int
        if let found = table.find(record.traceID, hash: record.hash) {
            entry = found
        } else {
            guard let begun = begin(record, now: now, seen: seen, arrival: arrival) else { return nil }
            entry = begun
            result.newTraces += 1
        }
        let summary = TraceSummary(
            record, deadline: table[entry].deadline, policyVersion: table[entry].policyVersion,
            firstSeenMilliseconds: table[entry].firstSeenMilliseconds)
        let place = place(ofNumber: summary.policyVersion)
        let words = versions[place].version.policies.sideLayout.count
        return Fragment(entry: entry, summary: summary, side: Array(repeating: 0, count: words))
    }

    private mutating func take(
        _ position: Int, into fragment: inout Fragment, _ body: Span<UInt8>, _ index: RequestIndex, now: Int64,
        arrival: Int, _ result: inout IngestResult
    ) {
        var record = index.records[position]
        let entry = fragment.entry
        let limit = tuning.maximumTraceBytes
        if fragment.isOver || (limit > 0 && Int(table[entry].spanBytes) + Int(record.length) > limit) {
            if !fragment.isOver {
                settle(entry, Decision(verdict: .notSampled, policy: nil), .tooLarge, now: now)
                fragment.isOver = true
            }
            let late = LateDecision(verdict: .notSampled, policyNumber: nil, age: 0)
            return noteLate(late, position, record, &result)
        }
        let group = index.groups[Int(record.group)]
        let groupBytes = index.groupBytes.span
        guard
            let location = segments.append(
                previous: table[entry].lastRecord, groupHash: group.groupHash, resourceHash: group.resourceHash,
                resource: groupBytes.extracting(group.resourceRange), scope: groupBytes.extracting(group.scopeRange),
                span: body.extracting(settings.keepsSpans ? record.range : 0..<0), deadline: table[entry].deadline)
        else {
            if refuse(record, group, entry, &result) { fragment.entry = -1 }
            return
        }
        table[entry].lastRecord = location
        table[entry].lastSeenMilliseconds = milliseconds(now)
        var owner = index
        let place = place(ofNumber: table[entry].policyVersion)
        if place != arrival {
            owner = foreign.indexes(of: versions[place].version, body: body, index.records).live
            record.predicates = position < owner.records.count ? owner.records[position].predicates : 0
        }
        if log != nil && record.predicates & ~table[entry].predicates != 0 {
            noteEvidence(entry, word: 0, record.predicates & ~table[entry].predicates, location)
        }
        let layout = versions[place].version.policies.sideLayout
        if layout.count > 0 && position < owner.records.count {
            addSide(entry, position, record, owner, layout, location)
            let hadRoot = fragment.summary.flags.contains(.hasRoot)
            var words = fragment.side.mutableSpan
            layout.add(position, record, of: owner, request: requestNumber, hadRoot: hadRoot, to: &words)
        }
        table[entry].add(record)
        fragment.summary.add(record)
        if tuning.decisionWaitAfterRootReceived > 0 && record.flags.contains(.isRoot) {
            hasten(entry, to: now + tuning.decisionWaitAfterRootReceived, now: now)
        }
        result.bufferedSpans += 1
        result.bufferedBytes += Int(record.length)
    }

    private mutating func judge(_ fragment: Fragment, now: Int64) {
        guard !fragment.isOver, fragment.summary.spanCount > 0 else { return }
        var summary = fragment.summary
        summary.spanCount = table[fragment.entry].spanCount
        summary.spanBytes = table[fragment.entry].spanBytes
        context.now = now
        context.side = fragment.side
        let place = place(ofNumber: summary.policyVersion)
        let decision = versions[place].decide(summary, &context)
        if decision.verdict != .notSampled { settle(fragment.entry, decision, .arrival, now: now) }
    }
}

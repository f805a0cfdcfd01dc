internal import BasicContainers
package import OTLP

extension Shard {
    /// Takes the spans of a request that belong to shard number `shard` of `shards`. Their predicate bits are set.
    ///
    /// - Parameters:
    ///   - body: the message that the index's offsets refer to.
    ///   - version: the policies that the predicate bits are of; nil: those in force.
    ///   - shadow: the same request as the version's shadow set sees it; nil without one.
    ///   - unixNanoseconds: the time, for conditions that ask for it.
    /// - Complexity: O(spans); about two cache misses for each trace that is not in the cache, fetched ahead. A request is walked
    ///   once more for every other version that its traces are judged by, which happens while policies change.
    package mutating func ingest(
        body: Span<UInt8>, index: RequestIndex, shard: UInt64, of shards: UInt64, now: Int64,
        version: PolicyVersion? = nil, shadow: RequestIndex? = nil, unixNanoseconds: Int64 = 0
    ) -> IngestResult {
        foreign.unixNanoseconds = unixNanoseconds
        let arrival = version.map { place(of: $0) } ?? 0
        let arrivalNumber = versions[arrival].number
        if settings.isSpanIngest {
            return ingestFragments(body: body, index: index, shard: shard, of: shards, now: now, arrival: arrival)
        }
        var result = IngestResult()
        let records = index.records.span
        let groups = index.groups.span
        let groupBytes = index.groupBytes.span
        var lastTrace = TraceID(high: 0, low: 0)
        var lastIndex = -1
        var isOwn = true
        let seen = milliseconds(now)
        let second = second(now)
        let explains = log != nil
        let hasShadow = shadow?.records.count == records.count && versions[arrival].hasShadow
        let maximumTraceBytes = tuning.maximumTraceBytes
        let keepsSpans = settings.keepsSpans
        let sideLayout = versions[arrival].version.policies.sideLayout
        nextRequest()
        for position in records.indices {
            prefetch(records, position)
            let record = records[position]
            guard shards == 1 || Shard.number(of: record.hash, among: shards) == shard else { continue }
            let entry: Int
            if lastIndex >= 0 && record.traceID == lastTrace {
                entry = lastIndex
            } else if let found = table.find(record.traceID, hash: record.hash) {
                if table[found].flags.contains(.isSettled) {
                    noteLate(settledDecision(found, record, second), position, record, &result)
                    continue
                }
                entry = found
                isOwn = table[found].policyVersion == arrivalNumber
            } else if let remembered = remembered(record, second) {
                noteLate(remembered, position, record, &result)
                continue
            } else {
                guard let begun = begin(record, now: now, seen: seen, arrival: arrival) else {
                    result.spansWithoutRoom += 1
                    lastIndex = -1
                    continue
                }
                entry = begun
                isOwn = true
                result.newTraces += 1
            }
            lastTrace = record.traceID
            lastIndex = entry
            if maximumTraceBytes > 0 && Int(table[entry].spanBytes) + Int(record.length) > maximumTraceBytes {
                settle(entry, Decision(verdict: .notSampled, policy: nil), .tooLarge, now: now)
                noteLate(
                    LateDecision(verdict: .notSampled, policyNumber: nil, age: 0), position, record, &result)
                lastIndex = -1
                continue
            }
            let group = groups[Int(record.group)]
            let summary = table[entry]
            guard
                let location = segments.append(
                    previous: summary.lastRecord, groupHash: group.groupHash, resourceHash: group.resourceHash,
                    resource: groupBytes.extracting(group.resourceRange),
                    scope: groupBytes.extracting(group.scopeRange),
                    span: body.extracting(keepsSpans ? record.range : 0..<0), deadline: summary.deadline)
            else {
                refuse(record, group, entry, &result)
                lastIndex = -1
                continue
            }
            table[entry].lastRecord = location
            table[entry].lastSeenMilliseconds = seen
            if isOwn {
                if explains && record.predicates & ~summary.predicates != 0 {
                    noteEvidence(entry, word: 0, record.predicates & ~summary.predicates, location)
                }
                if sideLayout.count > 0 { addSide(entry, position, record, index, sideLayout, location) }
                table[entry].add(record)
                if hasShadow, let shadow { versions[arrival].shadow?.add(position, of: shadow, request: requestNumber, to: entry) }
            } else {
                addForeign(entry, position, record, location, body: body, index.records)
            }
            if tuning.decisionWaitAfterRootReceived > 0 && record.flags.contains(.isRoot) {
                hasten(entry, to: now + tuning.decisionWaitAfterRootReceived, now: now)
            }
            result.bufferedSpans += 1
            result.bufferedBytes += Int(record.length)
        }
        bufferedSpans += result.bufferedSpans
        bufferedBytes += result.bufferedBytes
        endRequest()
        return result
    }

    /// Counts a span for which there is no room in the segments. A trace that has no other span is forgotten.
    ///
    /// Returns whether the trace is forgotten.
    @inline(never) @discardableResult
    mutating func refuse(_ record: SpanRecord, _ group: GroupRecord, _ entry: Int, _ result: inout IngestResult) -> Bool {
        let span = settings.keepsSpans ? Int(record.length) : 0
        if SegmentStore.canHold(span: span, resource: Int(group.resourceLength), scope: Int(group.scopeLength)) {
            result.spansWithoutRoom += 1
        } else {
            result.oversizedSpans += 1
        }
        guard table[entry].lastRecord.isNone else { return false }
        // The version stays until the request is done, which names it by its place. An adopted trace was not counted as new.
        versions[place(ofNumber: table[entry].policyVersion)].traces -= 1
        table.remove(entry)
        result.newTraces = max(0, result.newTraces - 1)
        return true
    }

    @inline(__always)
    private func prefetch(_ records: Span<SpanRecord>, _ position: Int) {
        // Two steps: the slot twelve spans ahead, and what it names six spans ahead.
        if position + 12 < records.count { table.prefetchSlot(records[position + 12].hash) }
        if position + 6 < records.count {
            let hash = records[position + 6].hash
            // An empty home slot: most likely a new trace, and the cache will be asked for it.
            if !table.prefetchSummary(hash) { notSampledCache?.prefetch(hash) }
        }
    }

    /// Moves a trace's decision to an earlier time, never to a later one. Its first place in the wheel becomes stale.
    mutating func hasten(_ entry: Int, to deadline: Int64, now: Int64) {
        guard deadline < table[entry].deadline else { return }
        table[entry].deadline = deadline
        wheel.insert(entry, deadline: deadline, now: now)
    }

    /// A new trace, judged by the version at `arrival`; nil when the table is full.
    mutating func begin(_ record: SpanRecord, now: Int64, seen: UInt32, arrival: Int) -> Int? {
        let deadline = now + tuning.decisionWait
        let summary = TraceSummary(
            record, deadline: deadline, policyVersion: versions[arrival].number, firstSeenMilliseconds: seen)
        guard let index = table.insert(summary) else { return nil }
        if table.sideStride > 0 { table.clearSide(index) }
        versions[arrival].begin(index, summary)
        wheel.insert(index, deadline: deadline, now: now)
        return index
    }

    /// Notes which span was the first of its trace to set these bits of a word of its predicate bits.
    @inline(never)
    mutating func noteEvidence(_ entry: Int, word: Int, _ bits: UInt64, _ location: RecordLocation) {
        let summary = table[entry]
        if let noted = segments.appendEvidence(
            previous: summary.lastEvidence, word: word, bits: bits, span: location, deadline: summary.deadline)
        {
            table[entry].lastEvidence = noted
        }
    }

    /// The same for the words beyond the first. Call before the span's words are added.
    private mutating func noteSideEvidence(
        _ entry: Int, _ position: Int, _ index: RequestIndex, _ layout: SideLayout, _ location: RecordLocation
    ) {
        let start = position * index.sideStride
        guard index.sideStride >= layout.predicateWords, start + layout.predicateWords <= index.sideWords.count else { return }
        for word in 0..<layout.predicateWords {
            var new: UInt64 = 0
            table.withSide(entry) { words in new = index.sideWords[start + word] & ~words[word] }
            if new != 0 { noteEvidence(entry, word: word + 1, new, location) }
        }
    }

    /// Another request begins.
    mutating func nextRequest() { requestNumber = requestNumber == .max ? 1 : requestNumber + 1 }

    /// Adds a span's words to those beside its trace's summary. Call before the summary knows the span.
    mutating func addSide(
        _ entry: Int, _ position: Int, _ record: SpanRecord, _ index: RequestIndex, _ layout: SideLayout,
        _ location: RecordLocation
    ) {
        if log != nil && layout.predicateWords > 0 { noteSideEvidence(entry, position, index, layout, location) }
        let hadRoot = table[entry].flags.contains(.hasRoot)
        let request = requestNumber
        table.withSide(entry) { words in
            layout.add(position, record, of: index, request: request, hadRoot: hadRoot, to: &words)
        }
    }

    // MARK: late spans

    /// What decides on a late span.
    struct LateDecision {
        var verdict: Verdict
        /// The deciding policy as the node knows it.
        var policyNumber: UInt16?
        /// Seconds since the decision.
        var age: Int
    }

    /// The decision on a trace that the caches know.
    mutating func remembered(_ record: SpanRecord, _ second: UInt64) -> LateDecision? {
        if let (decision, age) = sampledCache?.find(record.traceID, hash: record.hash, second: second) {
            return LateDecision(verdict: decision.verdict, policyNumber: decision.policy, age: age)
        }
        if let (decision, age) = notSampledCache?.find(record.traceID, hash: record.hash, second: second) {
            return LateDecision(verdict: decision.verdict, policyNumber: decision.policy, age: age)
        }
        return nil
    }

    /// The decision on a settled trace that is still in the table.
    mutating func settledDecision(_ entry: Int, _ record: SpanRecord, _ second: UInt64) -> LateDecision {
        if let known = remembered(record, second) { return known }
        let age = Int(truncatingIfNeeded: second &- table[entry].settledSecond)
        return LateDecision(verdict: table[entry].settledVerdict, policyNumber: nil, age: max(0, age))
    }

    mutating func noteLate(_ decision: LateDecision, _ position: Int, _ record: SpanRecord, _ result: inout IngestResult) {
        result.lateAges.append(decision.age)
        switch decision.verdict {
        case .sampled:
            result.lateSampled.append(UInt32(truncatingIfNeeded: position))
            result.latePolicies.append(decision.policyNumber ?? .max)
        case .notSampled: result.lateNotSampled += 1
        case .dropped: result.lateDropped += 1
        }
        log?.noteLate(record.traceID, hash: record.hash)
    }
}

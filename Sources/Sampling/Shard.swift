package import OTLP

/// How a shard is built.
package struct ShardSettings: Sendable {
    /// From a trace's first span to its decision, nanoseconds.
    package var decisionWait: Int64 = 30_000_000_000
    /// From a root span to the decision, nanoseconds, if that is earlier; 0: root spans change nothing.
    package var decisionWaitAfterRootReceived: Int64 = 0
    /// Bytes of span segments that the shard may ever hold, and with it traces (one per 128 bytes).
    package var maximumBytes = 4 << 30
    /// Decisions remembered for late spans; 0 turns a cache off.
    package var sampledCacheSize = 50_000
    package var notSampledCacheSize = 200_000

    package init() {}
}

/// What became of the spans of one request in one shard.
package struct IngestResult: Sendable {
    /// Spans now held until their trace is decided, and their bytes.
    package var bufferedSpans = 0
    package var bufferedBytes = 0
    /// Traces seen for the first time.
    package var newTraces = 0
    /// Late spans of traces that were decided against, by verdict.
    package var lateNotSampled = 0
    package var lateDropped = 0
    /// Positions in `RequestIndex.records` of late spans of sampled traces: the caller sends them on.
    package var lateSampled: [UInt32] = []
    /// Seconds between decision and arrival of late spans, one for each.
    package var lateAges: [Int] = []

    package init() {}
}

/// A trace whose time has come, with the decision on it.
///
/// For a sampled trace the caller reads its spans (`spanCount` calls of `Shard.withSpan`) and then calls `Shard.finish`.
package struct DecidedTrace: Sendable {
    package let decision: Decision
    package let spanCount: Int
    package let spanBytes: Int
    /// When it should have been decided, monotonic nanoseconds.
    package let deadline: Int64
    /// From its first span to now, milliseconds.
    package let ageMilliseconds: Int
    package let hasRoot: Bool
    package let traceID: TraceID
    let index: Int
}

/// One shard of the trace-id space: holds spans until their trace is decided, and decides.
///
/// Owned by one worker, no locks, no clock, no I/O. What it may hold is bounded by `ShardSettings.maximumBytes`, which the
/// caller enforces by asking `heldBytes` before it accepts. Cost is O(1) per span on arrival and O(policies) per trace at
/// its decision, whatever the trace's size and the order its spans came in.
package struct Shard: ~Copyable {
    let settings: ShardSettings
    private var policies: PolicySet
    var context: DecisionContext
    var table: TraceTable
    private var segments: SegmentStore
    var wheel: DecisionWheel
    var sampledCache: DecisionCache?
    var notSampledCache: DecisionCache?
    /// The chain of the sampled trace that is being read, oldest record first.
    private var chain: [RecordLocation] = []
    let startedAt: Int64
    private var cacheBytes: Int
    /// Tells requests apart, for `ContextBytes`.
    private var requestNumber: UInt16 = 0

    /// How often each policy gave each verdict.
    package private(set) var tally: PolicyTally
    /// Spans and bytes of undecided traces.
    package internal(set) var bufferedSpans = 0
    package internal(set) var bufferedBytes = 0

    package init(settings: ShardSettings, policies: PolicySet, now: Int64) {
        self.settings = settings
        self.policies = policies
        context = DecisionContext(now: now)
        table = TraceTable(capacity: max(1 << 16, settings.maximumBytes / 128))
        segments = SegmentStore(maximumBytes: settings.maximumBytes + settings.maximumBytes / 4 + (64 << 20))
        wheel = DecisionWheel(now: now, horizon: settings.decisionWait)
        sampledCache = DecisionCache(capacity: settings.sampledCacheSize)
        notSampledCache = DecisionCache(capacity: settings.notSampledCacheSize)
        cacheBytes = 0
        if let bytes = sampledCache?.memoryBytes { cacheBytes += bytes }
        if let bytes = notSampledCache?.memoryBytes { cacheBytes += bytes }
        tally = PolicyTally(policies: policies.policies.count)
        startedAt = now
        table.reserveSide(policies.sideLayout.count)
    }

    /// What each policy said of the trace that was decided last; nil: it was not asked.
    package var lastVerdicts: [PolicyVerdict?] { context.verdicts }
    /// Traces that wait for their decision.
    package var traceCount: Int { table.count }
    /// Bytes of memory that segments (those kept for reuse too), tables and caches hold.
    package var heldBytes: Int { segments.heldSegmentBytes + table.memoryBytes + cacheBytes }
    package var usedSegmentBytes: Int { segments.usedSegmentBytes }
    package var heldSegmentBytes: Int { segments.heldSegmentBytes }

    /// Spans larger than this, and groups larger than `maximumGroupBytes`, must be refused before they get here.
    package static var maximumSpanBytes: Int { SegmentStore.maximumSpanBytes }
    package static var segmentBytes: Int { SegmentStore.segmentBytes }
    package static var maximumGroupBytes: Int { SegmentStore.maximumGroupBytes }

    // MARK: ingest

    /// Takes the spans of a request that belong to shard number `shard` of `shards`. Their predicate bits are set.
    ///
    /// - Complexity: O(spans); about two cache misses for each trace that is not in the cache, fetched ahead.
    package mutating func ingest(
        body: Span<UInt8>, index: RequestIndex, shard: UInt64, of shards: UInt64, now: Int64
    ) -> IngestResult {
        var result = IngestResult()
        let records = index.records.span
        let groups = index.groups.span
        let groupBytes = index.groupBytes.span
        var lastTrace = TraceID(high: 0, low: 0)
        var lastIndex = -1
        let seen = UInt32(truncatingIfNeeded: (now - startedAt) / 1_000_000)
        let second = second(now)
        let sideLayout = policies.sideLayout
        requestNumber = requestNumber == .max ? 1 : requestNumber + 1
        for position in records.indices {
            prefetch(records, position)
            let record = records[position]
            guard shards == 1 || Shard.number(of: record.hash, among: shards) == shard else { continue }
            let entry: Int
            if lastIndex >= 0 && record.traceID == lastTrace {
                entry = lastIndex
            } else if let found = table.find(record.traceID, hash: record.hash) {
                entry = found
            } else if let (decision, age) = remembered(record, second) {
                result.lateAges.append(age)
                switch decision.verdict {
                case .sampled: result.lateSampled.append(UInt32(truncatingIfNeeded: position))
                case .notSampled: result.lateNotSampled += 1
                case .dropped: result.lateDropped += 1
                }
                continue
            } else {
                entry = begin(record, now: now, seen: seen)
                result.newTraces += 1
            }
            lastTrace = record.traceID
            lastIndex = entry
            let group = groups[Int(record.group)]
            let summary = table[entry]
            guard
                let location = segments.append(
                    previous: summary.lastRecord, groupHash: group.groupHash,
                    resource: groupBytes.extracting(group.resourceRange),
                    scope: groupBytes.extracting(group.scopeRange), span: body.extracting(record.range),
                    deadline: summary.deadline)
            else { preconditionFailure("the span buffer is larger than all that is admitted to it") }
            table[entry].lastRecord = location
            if sideLayout.count > 0 { addSide(entry, position, record, index, sideLayout) }
            table[entry].add(record)
            if settings.decisionWaitAfterRootReceived > 0 && record.flags.contains(.isRoot) {
                hasten(entry, to: now + settings.decisionWaitAfterRootReceived)
            }
            result.bufferedSpans += 1
            result.bufferedBytes += Int(record.length)
        }
        bufferedSpans += result.bufferedSpans
        bufferedBytes += result.bufferedBytes
        return result
    }

    /// The shard that owns a trace: the high bits of its hash, spread evenly over any number of shards (Lemire's
    /// multiply-shift range reduction).
    @inline(__always)
    package static func number(of hash: UInt64, among shards: UInt64) -> UInt64 {
        hash.multipliedFullWidth(by: shards).high
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

    /// Adds a span's words to those beside its trace's summary. Call before the summary knows the span.
    private mutating func addSide(
        _ entry: Int, _ position: Int, _ record: SpanRecord, _ index: RequestIndex, _ layout: SideLayout
    ) {
        let hadRoot = table[entry].flags.contains(.hasRoot)
        let request = requestNumber
        table.withSide(entry) { words in
            layout.add(position, record, of: index, request: request, hadRoot: hadRoot, to: &words)
        }
    }

    /// Moves a trace's decision to an earlier time, never to a later one. Its first place in the wheel becomes stale.
    mutating func hasten(_ entry: Int, to deadline: Int64) {
        guard deadline < table[entry].deadline else { return }
        table[entry].deadline = deadline
        wheel.insert(entry, deadline: deadline)
    }

    private mutating func remembered(_ record: SpanRecord, _ second: UInt64) -> (Decision, Int)? {
        if let found = sampledCache?.find(record.traceID, hash: record.hash, second: second) { return found }
        return notSampledCache?.find(record.traceID, hash: record.hash, second: second)
    }

    func second(_ now: Int64) -> UInt64 { UInt64(truncatingIfNeeded: (now - startedAt) / 1_000_000_000) }

    private mutating func begin(_ record: SpanRecord, now: Int64, seen: UInt32) -> Int {
        let deadline = now + settings.decisionWait
        let summary = TraceSummary(
            record, deadline: deadline, policyVersion: policies.version, firstSeenMilliseconds: seen)
        guard let index = table.insert(summary) else {
            preconditionFailure("the trace table is larger than all that is admitted to it")
        }
        if table.sideStride > 0 { table.clearSide(index) }
        wheel.insert(index, deadline: deadline)
        return index
    }

    // MARK: decide

    /// When traces may become due next: the earliest moment at which it makes sense to look again.
    package static func nextDue(after now: Int64) -> Int64 { DecisionWheel.end(ofBucketAt: now) }

    /// Decides the next trace that is due at `now`, or with `early` the next of all. Nil when there is none.
    ///
    /// A trace that is not sampled is gone when this returns; a sampled one stays readable until `finish`.
    package mutating func nextDecision(now: Int64, early: Bool = false) -> DecidedTrace? {
        var due = wheel.next(now: now, all: early)
        // A stale place: the trace was decided earlier, and another one may live in its entry now.
        while let index = due, !table[index].flags.contains(.isLive) || (!early && table[index].deadline > now) {
            due = wheel.next(now: now, all: early)
        }
        guard let index = due else { return nil }
        prefetchDecisions()
        context.now = now
        if policies.sideLayout.count > 0 { table.copySide(index, policies.sideLayout.count, to: &context.side) }
        let decision = policies.decide(table[index], &context, verdicts: &tally)
        let decided = DecidedTrace(
            decision: decision, spanCount: Int(table[index].spanCount), spanBytes: Int(table[index].spanBytes),
            deadline: table[index].deadline,
            ageMilliseconds: Int(
                UInt32(truncatingIfNeeded: (now - startedAt) / 1_000_000) &- table[index].firstSeenMilliseconds),
            hasRoot: table[index].flags.contains(.hasRoot), traceID: table[index].traceID, index: index)
        if decision.verdict == .sampled {
            readChain(of: index)
        } else {
            finish(decided)
        }
        return decided
    }

    /// Deciding touches a summary, its index slot and a set of the cache: fetched twelve and six decisions ahead.
    private func prefetchDecisions() {
        if let ahead = wheel.peek(12) { table.prefetch(ahead) }
        guard let ahead = wheel.peek(6) else { return }
        let hash = table[ahead].hash
        table.prefetchSlot(hash)
        notSampledCache?.prefetch(hash)
    }

    /// Calls for the span number `position` (in order of arrival) of the sampled trace that was decided last:
    /// group hash, resource header, scope header, span bytes.
    package func withSpan(
        _ position: Int, _ body: (UInt64, Span<UInt8>, Span<UInt8>, Span<UInt8>) -> Void
    ) {
        if position + 2 < chain.count { segments.prefetch(chain[position + 2]) }
        let location = chain[position]
        body(
            segments.groupHash(at: location), segments.resource(at: location), segments.scope(at: location),
            segments.span(at: location))
    }

    /// Forgets a decided trace but for its decision.
    package mutating func finish(_ decided: DecidedTrace) {
        bufferedSpans -= decided.spanCount
        bufferedBytes -= decided.spanBytes
        let traceID = table[decided.index].traceID
        let hash = table[decided.index].hash
        let second = second(context.now)
        if decided.decision.verdict == .sampled {
            sampledCache?.insert(traceID, hash: hash, decided.decision, second: second)
        } else {
            notSampledCache?.insert(traceID, hash: hash, decided.decision, second: second)
        }
        table.remove(decided.index)
    }

    /// Frees what lies behind the decisions. Call after each run of `nextDecision`.
    package mutating func freeDecided() { segments.free(decidedUpTo: table.count == 0 ? .max : wheel.frontier) }

    /// Gives memory back after a peak. Call about once a second.
    package mutating func trim() {
        segments.trim()
        table.trim()
    }

    /// Gives back at once what is only kept for reuse: memory is short.
    package mutating func discardSpare() { segments.discardSpare() }

    mutating func readChain(of index: Int) {
        chain.removeAll(keepingCapacity: chain.capacity <= 1 << 16)
        var location = table[index].lastRecord
        while !location.isNone {
            chain.append(location)
            location = segments.previous(of: location)
        }
        chain.reverse()
    }
}

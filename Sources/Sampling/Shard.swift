internal import BasicContainers
package import OTLP

/// How a shard is built.
package struct ShardSettings: Sendable {
    /// What may change while the shard runs.
    package struct Tuning: Sendable, Equatable {
        /// From a trace's first span to its decision, nanoseconds.
        package var decisionWait: Int64 = 30_000_000_000
        /// From a root span to the decision, nanoseconds, if that is earlier; 0: root spans change nothing.
        package var decisionWaitAfterRootReceived: Int64 = 0
        /// A trace whose spans have more bytes than this is not sampled, at once; 0: traces of any size are.
        package var maximumTraceBytes = 0

        package init() {}
    }

    package var tuning = Tuning()
    /// Bytes of span segments that the shard may ever hold, and with it traces (one per 128 bytes).
    package var maximumBytes = 4 << 30
    /// Decisions remembered for late spans; 0 turns a cache off.
    package var sampledCacheSize = 50_000
    package var notSampledCacheSize = 200_000
    /// Traces that may wait for their decision; 0: as many as memory takes. See `Shard.excessTraces`.
    package var maximumTraces = 0
    /// Every part of a trace is judged by itself as it comes (`sampling_strategy: span-ingest`).
    package var isSpanIngest = false
    /// Decisions whose reasons are remembered; 0: none, and nothing is noted on the way.
    package var decisionRecords = 0
    /// Spans are held, so that those of sampled traces can be read. Without, decisions are the same, and `Shard.withSpan` shows
    /// empty spans: for whoever only wants to know what would be decided.
    package var keepsSpans = true
    /// A trace with more spans is read over many turns: see `Shard.nextLargePart`.
    package var largeTraceSpans = 2048

    package init() {}

    package var decisionWait: Int64 {
        get { tuning.decisionWait }
        set { tuning.decisionWait = newValue }
    }

    package var decisionWaitAfterRootReceived: Int64 {
        get { tuning.decisionWaitAfterRootReceived }
        set { tuning.decisionWaitAfterRootReceived = newValue }
    }
}

/// What became of the spans of one request in one shard.
package struct IngestResult: Sendable {
    /// Spans now held until their trace is decided, and their bytes.
    package var bufferedSpans = 0
    package var bufferedBytes = 0
    /// Traces seen for the first time.
    package var newTraces = 0
    /// Spans that were not taken, since the store is full. Admission by cost keeps this from happening; the caller counts them as
    /// lost.
    package var spansWithoutRoom = 0
    /// Spans that were not taken, since with their group they are larger than a segment. The caller counts them as lost.
    package var oversizedSpans = 0
    /// All spans that were not taken.
    package var refusedSpans: Int { spansWithoutRoom + oversizedSpans }
    /// Late spans of traces that were decided against, by verdict.
    package var lateNotSampled = 0
    package var lateDropped = 0
    /// Positions in `RequestIndex.records` of late spans of sampled traces: the caller sends them on.
    package var lateSampled: [UInt32] = []
    /// For each of them, the deciding policy as the node knows it, `UInt16.max` where that is not remembered.
    package var latePolicies: [UInt16] = []
    /// Seconds between decision and arrival of late spans, one for each.
    package var lateAges: [Int] = []

    package init() {}
}

/// A trace whose time has come, with the decision on it.
///
/// If `isReadable` the caller reads its spans (`spanCount` calls of `Shard.withSpan`) and then calls `Shard.finish`.
package struct DecidedTrace: Sendable {
    /// Why it is decided now.
    package enum Cause: Sendable {
        /// Its time has come, or it is decided early on demand.
        case due
        /// Its spans so far settled it (`span-ingest`).
        case arrival
        /// It outgrew `maximumTraceBytes`.
        case tooLarge
    }

    package let decision: Decision
    /// The deciding policy as the node knows it.
    package let policyNumber: UInt16?
    /// The sub-policy with which a composite sampled it, whichever policy decided.
    package let compositePolicy: String?
    package let cause: Cause
    package let spanCount: Int
    package let spanBytes: Int
    /// When it should have been decided, monotonic nanoseconds.
    package let deadline: Int64
    /// From its first span to now, milliseconds.
    package let ageMilliseconds: Int
    package let hasRoot: Bool
    /// Its spans can be read; it is in the table until `Shard.finish`.
    package let isReadable: Bool
    /// It was sampled, or is recorded, and is so large that it was set aside for `Shard.nextLargePart`; nothing is to be done now.
    package let isLarge: Bool
    /// It is wanted for a recording, whatever the decision.
    package let isRecorded: Bool
    package let traceID: TraceID
    let index: Int
    /// Where its spans begin among those of its run.
    var chainStart = 0
}

/// One shard of the trace-id space: holds spans until their trace is decided, and decides.
///
/// Owned by one worker, no locks, no clock, no I/O. What it may hold is bounded by `ShardSettings.maximumBytes`, which the
/// caller enforces by asking `heldBytes` before it accepts. Cost is O(1) per span on arrival and O(policies) per trace at
/// its decision, whatever the trace's size and the order its spans came in.
package struct Shard: ~Copyable {
    let settings: ShardSettings
    var tuning: ShardSettings.Tuning
    /// The version in force, then the others that live traces refer to.
    var versions: UniqueArray<ShardVersion>
    /// What retired versions counted since somebody asked last.
    var retired: [CountedVerdicts] = []
    var context: DecisionContext
    var shadowContext: DecisionContext
    var table: TraceTable
    var segments: SegmentStore
    var wheel: DecisionWheel
    var sampledCache: DecisionCache?
    var notSampledCache: DecisionCache?
    var log: DecisionLog?
    var evidenceBudget = EvidenceBudget()
    /// The chains of the traces that are being read, each oldest record first.
    var chain: [RecordLocation] = []
    /// Where the trace that `withSpan` reads begins.
    var chainStart = 0
    /// Scratch room of `decideRun`.
    var followed: [FollowedChain] = []
    /// Traces that their spans settled, for `nextDecision`.
    var settled = WaitingLine<SettledTrace>()
    /// Settled traces that stay in the table until their time.
    var tombstones = 0
    /// Sampled or recorded traces that are read over many turns, first come, first served.
    var large = WaitingLine<LargeTrace>()
    /// Traces whose mixed hash is at most this are kept readable whatever the decision; nil: none is recorded.
    package var recordingThreshold: UInt64?
    /// Requests of older or newer versions, with the bits of other versions; forgotten after each request.
    var foreign = ForeignBits()
    /// A clock in nanoseconds, for measuring how long policies take on one trace in `timedTraces`; nil: nothing is measured.
    package var clock: (@Sendable () -> Int64)?
    static let timedTraces = 64
    var untimed = 0
    /// Tells requests apart, for `ContextBytes`.
    var requestNumber: UInt16 = 0
    let startedAt: Int64
    private var fixedBytes: Int

    /// What the shadow set would have done.
    package internal(set) var shadowComparison = ShadowComparison()
    /// Spans and bytes of undecided traces.
    package internal(set) var bufferedSpans = 0
    package internal(set) var bufferedBytes = 0

    /// - Parameter keys: those of the walkers that make the requests' indexes.
    package init(settings: ShardSettings, version: PolicyVersion, keys: HashKeys = HashKeys(0, 0), now: Int64) {
        self.settings = settings
        tuning = settings.tuning
        let capacity = max(1 << 16, settings.maximumBytes / 128)
        context = DecisionContext(now: now)
        shadowContext = DecisionContext(now: now)
        table = TraceTable(capacity: capacity)
        versions = UniqueArray()
        versions.append(ShardVersion(version, capacity: table.capacity))
        segments = SegmentStore(maximumBytes: settings.maximumBytes + settings.maximumBytes / 4 + (64 << 20))
        wheel = DecisionWheel(now: now, horizon: settings.tuning.decisionWait)
        sampledCache = DecisionCache(capacity: settings.sampledCacheSize)
        notSampledCache = DecisionCache(capacity: settings.notSampledCacheSize)
        log = DecisionLog(capacity: settings.decisionRecords)
        foreign.keys = keys
        table.reserveSide(version.policies.sideLayout.count)
        fixedBytes = 0
        startedAt = now
        if let bytes = sampledCache?.memoryBytes { fixedBytes += bytes }
        if let bytes = notSampledCache?.memoryBytes { fixedBytes += bytes }
        if let bytes = log?.memoryBytes { decisionLogBytes = bytes } else { decisionLogBytes = 0 }
        fixedBytes += decisionLogBytes
    }

    /// A shard with one version of policies, known under the set's own number.
    package init(settings: ShardSettings, policies: PolicySet, now: Int64) {
        self.init(
            settings: settings, version: PolicyVersion(number: policies.version, policies: policies), now: now)
    }

    /// Traces that wait for their decision, and sampled ones that have not been read to their end.
    package var traceCount: Int { table.count - tombstones }
    /// What each policy said of the trace that was decided last; nil: it was not asked.
    package var lastVerdicts: [PolicyVerdict?] { context.verdicts }
    /// Traces that wait for their decision.
    package var pendingTraces: Int { traceCount - large.count }
    /// Bytes of memory that segments (those kept for reuse too), tables and caches hold.
    package var heldBytes: Int {
        var bytes = segments.heldSegmentBytes + table.memoryBytes + fixedBytes
        for index in versions.indices { bytes += versions[index].memoryBytes }
        return bytes
    }
    package var usedSegmentBytes: Int { segments.usedSegmentBytes }
    package var heldSegmentBytes: Int { segments.heldSegmentBytes }
    /// Bytes that the decision records take.
    package let decisionLogBytes: Int

    /// Bytes that so many decision records take once they are full.
    package static func decisionLogBytes(records: Int) -> Int { DecisionLog.memoryBytes(capacity: records) }

    /// By how many traces the shard is over `ShardSettings.maximumTraces`. The caller decides so many of the oldest early.
    package var excessTraces: Int {
        settings.maximumTraces > 0 ? max(0, pendingTraces - settings.maximumTraces) : 0
    }

    /// Clients' spans larger than this, and groups larger than `maximumGroupBytes`, are left out of their request. What comes another
    /// way and does not fit into a segment is not taken: `IngestResult.oversizedSpans`.
    package static var maximumSpanBytes: Int { SegmentStore.maximumSpanBytes }
    package static var segmentBytes: Int { SegmentStore.segmentBytes }
    package static var maximumGroupBytes: Int { SegmentStore.maximumGroupBytes }

    /// The shard that owns a trace: the high bits of its hash, spread evenly over any number of shards (Lemire's
    /// multiply-shift range reduction).
    @inline(__always)
    package static func number(of hash: UInt64, among shards: UInt64) -> UInt64 {
        hash.multipliedFullWidth(by: shards).high
    }

    /// Leaves spans out of a request that no segment can hold, and counts them. Only a large body can have any.
    ///
    /// Whoever walks a request a second time does this again, so that positions agree.
    package static func leaveOutOversized(_ index: inout RequestIndex) {
        let spanLimit = maximumSpanBytes
        let groupLimit = maximumGroupBytes
        guard index.spanBytes > spanLimit || index.groupBytes.count > groupLimit else { return }
        index.leaveOut(.tooLarge) { record, group in
            Int(record.length) > spanLimit || Int(group.resourceLength) + Int(group.scopeLength) > groupLimit
        }
    }

    func second(_ now: Int64) -> UInt64 { UInt64(truncatingIfNeeded: (now - startedAt) / 1_000_000_000) }

    func milliseconds(_ now: Int64) -> UInt32 { UInt32(truncatingIfNeeded: (now - startedAt) / 1_000_000) }

    /// The moment that a wrapping count of milliseconds stands for, the last one before `now`.
    func moment(_ milliseconds: UInt32, now: Int64) -> Int64 {
        now - Int64(self.milliseconds(now) &- milliseconds) * 1_000_000
    }

    // MARK: upkeep

    /// Frees what lies behind the decisions. Call after each run of `nextDecision`.
    package mutating func freeDecided() {
        var frontier = traceCount == 0 ? Int64.max : wheel.frontier
        for trace in large.waiting { frontier = min(frontier, trace.deadline - 1) }
        segments.free(decidedUpTo: frontier)
    }

    /// Gives memory back after a peak. Call about once a second.
    package mutating func trim() {
        segments.trim()
        for entries in table.trim() {
            for place in versions.indices { versions[place].discard(entries) }
        }
    }

    /// Gives back at once what is only kept for reuse: memory is short.
    package mutating func discardSpare() { segments.discardSpare() }
}

internal import OTLP
internal import Sampling

/// One shard as production runs it, on a clock that its owner moves: what tests and plans decide with.
///
/// Time is any count of nanoseconds that only goes forward. Traces are decided at the end of the wheel's bucket that their deadline
/// falls into, one bucket after the other, so policies with a memory see the times that they would see in a node.
struct ReplayEngine: ~Copyable {
    let policies: PolicySet
    private var shard: Shard
    private var walker: RequestWalker
    /// What the request taken last holds, with predicate bits.
    private(set) var index = RequestIndex()
    private(set) var clock: Int64

    /// Fixed: a replay is the same in every run.
    static let keys = HashKeys(0x7461_696c, 0x6761_7465)
    /// Bytes of undecided spans; beyond that the oldest traces are decided early.
    private let maximumBytes: Int
    /// Whether every policy's verdict is handed out with a decision.
    private let keepsVerdicts: Bool
    /// Whether spans can settle their trace before its time.
    private let decidesOnArrival: Bool

    init(
        _ policies: PolicySet, _ settings: PolicySettings, start: Int64, maximumBytes: Int, checksNested: Bool = true,
        keepsVerdicts: Bool = false
    ) {
        var shape = ShardSettings()
        shape.decisionWait = settings.decisionWait
        shape.decisionWaitAfterRootReceived = settings.decisionWaitAfterRootReceived
        shape.tuning.maximumTraceBytes = settings.maximumTraceBytes
        shape.isSpanIngest = settings.isSpanIngest
        if let size = settings.sampledCacheSize { shape.sampledCacheSize = size }
        if let size = settings.notSampledCacheSize { shape.notSampledCacheSize = size }
        shape.maximumBytes = maximumBytes
        // What becomes of a trace is all that anybody asks here.
        shape.keepsSpans = false
        self.policies = policies
        self.maximumBytes = maximumBytes
        self.keepsVerdicts = keepsVerdicts
        decidesOnArrival = settings.isSpanIngest || settings.maximumTraceBytes > 0
        shard = Shard(settings: shape, policies: policies, now: start)
        walker = RequestWalker(keys: Self.keys, interest: policies.interest, checksNested: checksNested)
        clock = start
    }

    /// Traces that wait for their decision.
    var pendingTraces: Int { shard.traceCount }
    /// How often each policy gave each verdict.
    var tally: PolicyTally { shard.tally }

    /// Reads a request; `index` then says what is in it.
    mutating func walk(_ body: Span<UInt8>) throws(WalkError) {
        try read(body)
        policies.evaluatePredicates(&index, body: body)
    }

    /// Reads a request for this engine and for another one, whose policies were made with `sharing` these.
    mutating func walk(_ body: Span<UInt8>, with other: inout ReplayEngine) throws(WalkError) {
        try other.read(body)
        index = other.index
        policies.evaluatePredicates(&index, body: body)
        other.policies.evaluatePredicates(&other.index, body: body)
    }

    private mutating func read(_ body: Span<UInt8>) throws(WalkError) {
        try walker.walk(body, into: &index)
        Shard.leaveOutOversized(&index)
    }

    /// Takes the spans of the request that was walked last, and decides the traces that they settle.
    mutating func ingest(_ body: Span<UInt8>, _ each: (DecidedTrace, [PolicyVerdict?]) -> Void) {
        _ = shard.ingest(body: body, index: index, shard: 0, of: 1, now: clock)
        if decidesOnArrival { drain(early: false, each) }
    }

    /// Whether the request walked last would not fit beside what is held.
    var isFull: Bool { shard.heldBytes + max(8 << 20, shard.standingBytes) + shard.cost(of: index).bytes > maximumBytes }

    /// Moves the clock and decides what becomes due on the way.
    mutating func advance(to time: Int64, _ each: (DecidedTrace, [PolicyVerdict?]) -> Void) {
        while clock < time {
            guard shard.traceCount > 0 else {
                clock = time
                break
            }
            clock = min(time, Shard.nextDue(after: clock))
            drain(early: false, each)
        }
    }

    /// Decides everything that still waits, each trace at its time.
    mutating func finish(_ each: (DecidedTrace, [PolicyVerdict?]) -> Void) {
        while shard.traceCount > 0 {
            let before = shard.traceCount
            advance(to: clock &+ 3_600_000_000_000, each)
            if shard.traceCount == before { drain(early: true, each) }
        }
    }

    /// Decides everything at once: memory is short.
    mutating func decideEarly(_ each: (DecidedTrace, [PolicyVerdict?]) -> Void) { drain(early: true, each) }

    private mutating func drain(early: Bool, _ each: (DecidedTrace, [PolicyVerdict?]) -> Void) {
        var decided = false
        while let trace = shard.nextDecision(now: clock, early: early) {
            each(trace, keepsVerdicts ? shard.lastVerdicts : [])
            if trace.isReadable { shard.finish(trace) }
            // Nobody reads the spans of a large trace here.
            while shard.nextLargePart(limit: 1 << 16) != nil {}
            decided = true
        }
        if decided { shard.freeDecided() }
    }
}

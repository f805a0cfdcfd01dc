internal import NativeCore
internal import OTLP

/// A version that a shard knows: what the shard counts for it, and what it keeps of the traces that are judged by it beyond their
/// summaries.
struct ShardVersion: ~Copyable {
    let version: PolicyVersion
    /// The version's, kept here since asking `version` for them counts references.
    let number: UInt16
    let sideWords: Int
    let hasShadow: Bool
    /// Words of predicate bits that spans of live traces may set.
    let evidenceWords: Int
    private let policies: PolicySet
    var tally: PolicyTally
    var shadowTally: PolicyTally
    /// Nanoseconds that each policy took.
    var nanoseconds: [Int] = []
    /// Traces in the table that are judged by it.
    var traces = 0
    /// The same traces as the shadow set's predicates see them; nil without a shadow set.
    var shadow: ShadowTable?

    /// - Parameter capacity: entries of the trace table.
    init(_ version: PolicyVersion, capacity: Int) {
        self.version = version
        number = version.number
        policies = version.policies
        sideWords = version.policies.sideLayout.count
        hasShadow = version.shadow != nil
        evidenceWords = version.policies.predicateCount == 0 ? 0 : 1 + version.policies.sideLayout.predicateWords
        tally = PolicyTally(policies: version.policies.policies.count)
        shadowTally = PolicyTally(policies: version.shadow?.policies.count ?? 0)
        shadowBytesPerTrace = version.shadow.map { MemoryLayout<TraceSummary>.stride + $0.sideLayout.count * 8 } ?? 0
        shadow = version.shadow.map { ShadowTable(capacity: capacity, layout: $0.sideLayout) }
    }

    /// Bytes for each trace beside the trace table.
    let shadowBytesPerTrace: Int
    /// Chunks of the trace table in which traces of this version have begun.
    private var shadowChunks = 0
    /// Bytes of memory in use beside the trace table.
    var memoryBytes: Int { shadowChunks * TraceTable.chunkSize * shadowBytesPerTrace }

    /// What traces may take beside the trace table beyond `shadowBytesPerTrace`, since memory is taken by chunks: a trace that
    /// begins may be the first of this version in its chunk.
    func standingBytes(_ table: borrowing TraceTable) -> Int {
        (table.touchedChunks + 1 - shadowChunks) * TraceTable.chunkSize * shadowBytesPerTrace
    }

    /// The trace table has given the memory of these entries back; no trace lives there.
    mutating func discard(_ entries: Range<Int>) {
        if let chunks = shadow?.discard(entries) { shadowChunks = chunks }
    }

    /// Adds measured times, each of which stands for `weight` evaluations.
    mutating func add(_ measured: [Int], weight: Int) {
        if nanoseconds.isEmpty { nanoseconds = Array(repeating: 0, count: version.policies.policies.count) }
        for position in measured.indices where position < nanoseconds.count {
            nanoseconds[position] &+= measured[position] &* weight
        }
    }

    /// A trace without spans is judged by this version from now on.
    @inline(__always)
    mutating func begin(_ entry: Int, _ summary: TraceSummary) {
        traces += 1
        if let chunks = shadow?.begin(entry, summary) { shadowChunks = chunks }
    }

    /// The decision of this version's policies.
    @inline(__always)
    mutating func decide(_ trace: borrowing TraceSummary, _ context: inout DecisionContext) -> Decision {
        policies.decide(trace, &context, verdicts: &tally)
    }

    /// What was counted, and starts from zero.
    mutating func take() -> CountedVerdicts {
        let taken = CountedVerdicts(version: version, live: tally, shadow: shadowTally, nanoseconds: nanoseconds)
        nanoseconds = []
        tally = PolicyTally(policies: version.policies.policies.count)
        shadowTally = PolicyTally(policies: version.shadow?.policies.count ?? 0)
        return taken
    }
}

/// Summaries of traces with the predicate bits of a shadow set, by entry of the trace table.
///
/// Beside the table rather than in it, so that nobody pays for it who does not use it. Memory is used where traces are.
struct ShadowTable: ~Copyable {
    private var summaries: PagedBuffer<TraceSummary>
    /// `layout.count` words by entry; one word in all if there are none.
    private var side: PagedBuffer<UInt64>
    private let layout: SideLayout
    /// By chunk of the trace table: whether a trace has begun in it.
    private var isTouched: [Bool]
    private var touchedChunks = 0

    init(capacity: Int, layout: SideLayout) {
        summaries = PagedBuffer(count: capacity)
        isTouched = Array(repeating: false, count: capacity / TraceTable.chunkSize + 1)
        self.layout = layout
        side = PagedBuffer(count: max(1, capacity * layout.count))
    }

    /// A trace without spans. Returns in how many chunks traces have begun.
    mutating func begin(_ entry: Int, _ summary: TraceSummary) -> Int {
        summaries[entry] = summary
        for word in 0..<layout.count { side[entry * layout.count + word] = 0 }
        let chunk = entry / TraceTable.chunkSize
        if !isTouched[chunk] {
            isTouched[chunk] = true
            touchedChunks += 1
        }
        return touchedChunks
    }

    /// The trace table has given the memory of these entries back. Returns in how many chunks traces live.
    mutating func discard(_ entries: Range<Int>) -> Int {
        let chunk = entries.lowerBound / TraceTable.chunkSize
        guard isTouched[chunk] else { return touchedChunks }
        isTouched[chunk] = false
        touchedChunks -= 1
        summaries.discard(entries)
        if layout.count > 0 { side.discard(entries.lowerBound * layout.count..<entries.upperBound * layout.count) }
        return touchedChunks
    }

    /// Takes span number `position` of a request into account. `request` tells requests apart.
    mutating func add(_ position: Int, of index: borrowing RequestIndex, request: UInt16, to entry: Int) {
        let record = index.records[position]
        if layout.count > 0 { addSide(position, record, of: index, request: request, to: entry) }
        summaries[entry].add(record)
    }

    private mutating func addSide(
        _ position: Int, _ record: SpanRecord, of index: borrowing RequestIndex, request: UInt16, to entry: Int
    ) {
        let hadRoot = summaries[entry].flags.contains(.hasRoot)
        let layout = layout
        let index = copy index
        side.withMutableSpan(entry * layout.count..<(entry + 1) * layout.count) { words in
            layout.add(position, record, of: index, request: request, hadRoot: hadRoot, to: &words)
        }
    }

    /// A trace's words beyond its summary.
    func side(of entry: Int) -> [UInt64] {
        if layout.count == 0 { return [] }
        return (0..<layout.count).map { side[entry * layout.count + $0] }
    }

    subscript(entry: Int) -> TraceSummary { summaries[entry] }
}

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
        tally = PolicyTally(policies: version.policies.policies.count)
        shadowTally = PolicyTally(policies: version.shadow?.policies.count ?? 0)
        shadow = version.shadow.map { ShadowTable(capacity: capacity, layout: $0.sideLayout) }
    }

    /// Bytes of memory in use beside the trace table.
    private(set) var memoryBytes = 0

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
        if let bytes = shadow?.begin(entry, summary) { memoryBytes = bytes }
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
    private var highest = 0

    init(capacity: Int, layout: SideLayout) {
        summaries = PagedBuffer(count: capacity)
        self.layout = layout
        side = PagedBuffer(count: max(1, capacity * layout.count))
    }

    /// A trace without spans. Returns the bytes of memory in use.
    mutating func begin(_ entry: Int, _ summary: TraceSummary) -> Int {
        summaries[entry] = summary
        for word in 0..<layout.count { side[entry * layout.count + word] = 0 }
        if entry >= highest { highest = entry + 1 }
        return highest * (MemoryLayout<TraceSummary>.stride + layout.count * 8)
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

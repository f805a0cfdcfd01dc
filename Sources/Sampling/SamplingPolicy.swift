package import ConfigTree

/// What one policy says of one trace.
package enum PolicyVerdict: UInt8, Sendable, CaseIterable {
    case notSampled = 0
    case sampled = 1
    /// Only drop policies say this; it beats everything else.
    case dropped = 2
    /// The policy could not be evaluated; it counts as if it were not there.
    case failed = 3
}

/// What a decision may use besides the trace's summary, and what it says besides its result. Owned by one shard, reused.
package struct DecisionContext {
    /// Monotonic nanoseconds.
    package var now: Int64
    /// The trace's words beyond its summary, laid out as `PolicySet.sideLayout` says: predicate bits from 64 on, then the keys that
    /// dynamic policies count by. Empty if the set needs none.
    package var side: [UInt64]
    /// The verdict of each top-level policy on the trace that was decided last, in the order of the configuration; nil where
    /// the policy was not asked.
    package internal(set) var verdicts: [PolicyVerdict?] = []
    /// The sub-policy with which a composite sampled the trace, as an index into `PolicySet.compositeSubPolicies`.
    package internal(set) var compositeSubPolicy: Int?

    /// The trace is only shown: policies that count must not charge it.
    package var isPreview = false
    /// Set for traces on which the time of each policy is measured.
    package var timing: PolicyTiming?

    /// How `side` is laid out.
    private var layout = SideLayout()

    package init(now: Int64, side: [UInt64] = []) {
        self.now = now
        self.side = side
    }

    /// Forgets what was said of the last trace.
    mutating func begin(_ policies: Int, _ layout: SideLayout) {
        self.layout = layout
        compositeSubPolicy = nil
        if verdicts.count == policies {
            for position in verdicts.indices { verdicts[position] = nil }
        } else {
            verdicts = Array(repeating: nil, count: policies)
        }
    }

    /// The key of the trace, by its number in the set; 0 if no span had one.
    func key(_ number: Int) -> UInt64 {
        let position = layout.predicateWords + number
        return number < layout.keyWords && position < side.count ? side[position] : 0
    }

    /// The size of the trace as protobuf: spans with their framing, and resources and scopes once per request. Only the spans'
    /// own bytes where no policy of the set has asked for it.
    func encodedBytes(of trace: borrowing TraceSummary) -> UInt64 {
        guard layout.countsContextBytes, side.count >= layout.count else { return trace.spanBytes }
        return trace.spanBytes &+ ContextBytes(word: side[layout.count - 1]).bytes
    }
}

/// Measures how long each policy of a set takes. The clock comes from whoever has one.
package struct PolicyTiming {
    package let clock: @Sendable () -> Int64
    /// Nanoseconds by policy, added up.
    package private(set) var nanoseconds: [Int] = []
    private var started: Int64 = 0

    package init(clock: @escaping @Sendable () -> Int64) { self.clock = clock }

    mutating func start() { started = clock() }

    /// Policy number `position` has answered; the next one begins.
    mutating func stop(_ position: Int) {
        let now = clock()
        while nanoseconds.count <= position { nanoseconds.append(0) }
        nanoseconds[position] += Int(now - started)
        started = now
    }
}

/// A sampling policy: predicates on spans that are checked on arrival, and a decision on the accumulated summary.
///
/// To add one: a file in `Policies/` with a type that conforms, and a line in `PolicyCatalog`. Values are immutable and shared by
/// all workers; what a policy remembers between traces is a `PolicyState`.
package protocol SamplingPolicy: Sendable {
    /// The policy's `type` in a configuration, which is also the key of its block.
    static var typeName: String { get }

    /// What it is and which keys its block has.
    static var schema: PolicySchema { get }

    /// Reads the policy's block. Problems go to the reader; nil when there was one that leaves nothing to build.
    init?(_ block: inout ConfigReader, _ builder: inout PolicyBuilder)

    /// Whether a verdict can change while more spans of the trace come, or depends on other traces: such a policy can't judge
    /// a trace before it is complete (`sampling_strategy: span-ingest`).
    var isStateful: Bool { get }

    /// The verdict on a trace whose spans have all been taken into account.
    ///
    /// - Complexity: O(1) in the trace's size.
    func decide(_ trace: borrowing TraceSummary, _ context: inout DecisionContext) -> PolicyVerdict
}

extension SamplingPolicy {
    package var isStateful: Bool { false }
    package static var schema: PolicySchema { PolicySchema("") }
}

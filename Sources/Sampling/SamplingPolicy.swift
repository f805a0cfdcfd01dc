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

/// What a decision may use besides the trace: the time, and the words of state that policies with a memory asked for.
package struct DecisionContext {
    /// Monotonic nanoseconds.
    package var now: Int64
    /// State of all policies of the set, one run of words per policy; owned by the shard, kept over reloads where the
    /// policy is the same.
    package var state: [Int64]
    /// What each top-level policy said of the last trace, in order; nil: it was not asked. Kept only if `keepsVerdicts`.
    package private(set) var verdicts: [PolicyVerdict?] = []
    /// The trace is only shown: policies that count must not charge it.
    package var isPreview = false

    mutating func beginVerdicts(_ count: Int) {
        verdicts.removeAll(keepingCapacity: true)
        for _ in 0..<count { verdicts.append(nil) }
    }

    mutating func note(_ verdict: PolicyVerdict, _ position: Int) { verdicts[position] = verdict }

    /// Set for traces on which the time of each policy is measured: a clock in nanoseconds, and what it showed, by policy.
    package var timing: PolicyTiming?

    package init(now: Int64, state: [Int64] = []) {
        self.now = now
        self.state = state
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
/// all workers.
package protocol SamplingPolicy: Sendable {
    /// The policy's `type` in a configuration, which is also the key of its block.
    static var typeName: String { get }

    /// Reads the policy's block. Problems go to the reader; nil when there was one that leaves nothing to build.
    init?(_ block: inout ConfigReader, predicates: inout PredicateCompiler)

    /// The verdict on a trace whose spans have all been taken into account.
    ///
    /// - Complexity: O(1) in the trace's size.
    func decide(_ trace: borrowing TraceSummary, _ context: inout DecisionContext) -> PolicyVerdict
}

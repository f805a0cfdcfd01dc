internal import NativeCore
internal import OTLP

/// What became of a trace. The raw value goes into the decision cache.
package enum Verdict: UInt8, Sendable, CaseIterable {
    /// No policy wanted it.
    case notSampled = 0
    /// A policy wanted it.
    case sampled = 1
    /// A drop policy vetoed it.
    case dropped = 2
}

/// A decision as it is remembered: the verdict and the policy that made it (policies from the 1023rd on are not
/// remembered).
package struct Decision: Sendable, Equatable {
    package var verdict: Verdict
    /// Index of the deciding policy in its `PolicySet` (in a cache: its number in the node); nil when none decided.
    package var policy: UInt16?

    package init(verdict: Verdict, policy: UInt16?) {
        self.verdict = verdict
        self.policy = policy
    }
}

/// Decisions by full 128-bit trace id, bounded, with the least recently used forgotten first.
///
/// Set-associative: the hash chooses a set of eight entries; in it the one with the oldest use makes room. That is an LRU within
/// sets, not over all; with ids spread by a keyed hash an entry lives for about 0.7 to 1.3 times as long as in an exact one.
/// A set is three cache lines: the first has the eight states with 12 bits of hash each, so that looking for what is not there,
/// the usual case, touches one line. Owned by one shard; 24 bytes per entry, used as it fills.
package struct DecisionCache: ~Copyable {
    static let ways = 8
    /// Eight states, then eight ids of two words.
    static let setWords = 24
    private(set) var words: PagedBuffer<UInt64>
    let setCount: Int
    private(set) var count = 0

    /// A cache for at least `capacity` decisions (rounded up to whole sets of eight), or nil for none.
    init?(capacity: Int) {
        guard capacity > 0 else { return nil }
        setCount = Self.sets(capacity)
        words = PagedBuffer(count: setCount * Self.setWords)
    }

    private static func sets(_ capacity: Int) -> Int { min((capacity - 1) / ways + 1, Int(UInt32.max)) }

    /// Bytes of memory that a cache for so many decisions takes once it is full.
    package static func memoryBytes(capacity: Int) -> Int {
        capacity > 0 ? sets(capacity) * setWords * MemoryLayout<UInt64>.stride : 0
    }

    /// Bytes of memory that the cache takes once it is in use.
    var memoryBytes: Int { words.capacityBytes }

    var capacity: Int { words.count / Self.setWords * Self.ways }

    /// Fetches the first line of the trace's set.
    func prefetch(_ hash: UInt64) { words.prefetch(set(hash)) }

    // A state: bits 0-1 verdict plus one (all zero: empty), 2-11 policy plus one, 12-23 tag, 24-43 second of the decision,
    // 44-63 second of the last use. Seconds count from the shard's start and wrap after 12 days.

    /// The remembered decision and its age in seconds; finding it counts as a use at `second`.
    mutating func find(_ traceID: TraceID, hash: UInt64, second: UInt64) -> (decision: Decision, age: Int)? {
        let start = set(hash)
        let tag = Self.tag(hash)
        for way in 0..<Self.ways {
            let state = words[start + way]
            guard state & Self.tagMask == tag, state & 3 != 0 else { continue }
            let id = start + Self.ways + 2 * way
            guard words[id] == traceID.high, words[id + 1] == traceID.low else { continue }
            words[start + way] = state & (1 << 44 - 1) | second << 44
            guard let verdict = Verdict(rawValue: UInt8(state & 3) - 1) else { return nil }
            let policy = UInt16(truncatingIfNeeded: state >> 2) & 0x3ff
            let age = (second &- (state >> 24)) & Self.secondMask
            return (Decision(verdict: verdict, policy: policy == 0 ? nil : policy - 1), Int(age))
        }
        return nil
    }

    /// Remembers a decision about a trace that is not in the cache.
    mutating func insert(_ traceID: TraceID, hash: UInt64, _ decision: Decision, second: UInt64) {
        let start = set(hash)
        var victim: Int
        var oldestAge: UInt64 = 0
        // Entries of one second are equally old: where the search begins decides among them, and differs by trace.
        let first = Int(truncatingIfNeeded: hash >> 12) & (Self.ways - 1)
        victim = first
        for step in 0..<Self.ways {
            let way = (first + step) & (Self.ways - 1)
            let state = words[start + way]
            if state & 3 == 0 {
                victim = way
                count += 1
                break
            }
            let age = (second &- (state >> 44)) & Self.secondMask
            if age > oldestAge {
                oldestAge = age
                victim = way
            }
        }
        let policy = decision.policy.map { $0 < 0x3ff ? UInt64($0) + 1 : 0 } ?? 0
        let seconds = (second & Self.secondMask) << 24 | second << 44
        words[start + victim] = UInt64(decision.verdict.rawValue) + 1 | policy << 2 | Self.tag(hash) | seconds
        words[start + Self.ways + 2 * victim] = traceID.high
        words[start + Self.ways + 2 * victim + 1] = traceID.low
    }

    static let secondMask: UInt64 = 1 << 20 - 1
    private static let tagMask: UInt64 = 0xfff << 12

    /// The lowest bits of the hash, which the set number leaves out.
    private static func tag(_ hash: UInt64) -> UInt64 { (hash & 0xfff) << 12 }

    /// 32 bits of the hash spread evenly over any number of sets (Lemire's multiply-shift range reduction).
    private func set(_ hash: UInt64) -> Int {
        let bits = UInt64(UInt32(truncatingIfNeeded: hash >> 20))
        return Int(truncatingIfNeeded: (bits &* UInt64(setCount)) >> 32) * Self.setWords
    }
}

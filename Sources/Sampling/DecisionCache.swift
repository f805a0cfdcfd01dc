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

/// A decision as it is remembered: the verdict and the policy that made it.
package struct Decision: Sendable, Equatable {
    package var verdict: Verdict
    /// Index of the deciding policy in its `PolicySet`; nil when none decided.
    package var policy: UInt16?

    package init(verdict: Verdict, policy: UInt16?) {
        self.verdict = verdict
        self.policy = policy
    }
}

/// Decisions by full 128-bit trace id, bounded, with the least recently used forgotten first.
///
/// Set-associative: the hash chooses a set of eight entries (192 bytes); in it the one with the oldest use makes room. That is an
/// LRU within sets, not over all; with ids spread by a keyed hash an entry lives for about 0.7 to 1.3 times as long as in an
/// exact one. Owned by one shard; 24 bytes per entry, used as it fills.
struct DecisionCache: ~Copyable {
    private static let ways = 8
    private var entries: PagedBuffer<DecisionCacheEntry>
    private let setMask: Int
    private var clock: UInt32 = 0
    private(set) var count = 0

    /// A cache for at least `capacity` decisions (rounded up to a power of two), or nil for none.
    init?(capacity: Int) {
        guard capacity > 0 else { return nil }
        var sets = 1
        while sets * Self.ways < capacity { sets <<= 1 }
        setMask = sets - 1
        entries = PagedBuffer(count: sets * Self.ways)
    }

    var capacity: Int { entries.count }

    func prefetch(_ hash: UInt64) {
        let start = set(hash)
        entries.prefetch(start)
        entries.prefetch(start + 4)
    }

    /// The remembered decision; finding it counts as a use.
    mutating func find(_ traceID: TraceID, hash: UInt64) -> Decision? {
        let start = set(hash)
        for index in start..<start + Self.ways {
            let state = entries[index].state
            if state != 0 && entries[index].low == traceID.low && entries[index].high == traceID.high {
                clock &+= 1
                entries[index].state = state & 0xffff_ffff | UInt64(clock) << 32
                guard let verdict = Verdict(rawValue: UInt8(state & 3) - 1) else { return nil }
                let policy = UInt16(truncatingIfNeeded: state >> 16)
                return Decision(verdict: verdict, policy: policy == 0 ? nil : policy - 1)
            }
        }
        return nil
    }

    /// Remembers a decision about a trace that is not in the cache.
    mutating func insert(_ traceID: TraceID, hash: UInt64, _ decision: Decision) {
        let start = set(hash)
        clock &+= 1
        var victim = start
        var oldestAge: UInt32 = 0
        for index in start..<start + Self.ways {
            let state = entries[index].state
            if state == 0 {
                victim = index
                count += 1
                break
            }
            let age = clock &- UInt32(truncatingIfNeeded: state >> 32)
            if age > oldestAge {
                oldestAge = age
                victim = index
            }
        }
        let policy = decision.policy.map { UInt64($0) + 1 } ?? 0
        let state = UInt64(decision.verdict.rawValue) + 1 | policy << 16 | UInt64(clock) << 32
        entries[victim] = DecisionCacheEntry(high: traceID.high, low: traceID.low, state: state)
    }

    private func set(_ hash: UInt64) -> Int {
        // Other bits than the table's slots use, so that one trace's places are independent.
        (Int(truncatingIfNeeded: hash >> 20) & setMask) * Self.ways
    }
}

/// One remembered decision, 24 bytes.
struct DecisionCacheEntry: BitwiseCopyable {
    var high: UInt64
    var low: UInt64
    /// Bits 0-1 verdict plus one (all zero: empty), 16-31 policy plus one, 32-63 time of last use.
    var state: UInt64
}

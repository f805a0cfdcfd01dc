internal import BasicContainers
internal import NativeCore
package import OTLP

/// How far a sweep over a shard has come: first its decisions, then its traces in the order of their deadlines.
package struct SweepCursor: Sendable {
    fileprivate var cacheSet = 0
    fileprivate var isInNotSampledCache = false
    fileprivate var bucket: Int64
    fileprivate var position = 0
    /// All decisions have been looked at.
    package fileprivate(set) var hasDecisionsEnded = false
    /// All traces have been looked at.
    package fileprivate(set) var hasEnded = false

    /// Every trace with a deadline before this has been looked at; `Shard.nextDecision` up to this time leaves the others alone.
    package var frontier: Int64 { bucket << DecisionWheel.widthBits }
}

/// A trace that belongs to another node now. The caller reads its spans (`Shard.withSpan`) and then calls `Shard.release`.
package struct MovedTrace: Sendable {
    package let traceID: TraceID
    package let spanCount: Int
    package let spanBytes: Int
    /// Since its first span came, nanoseconds.
    package let age: Int64
    /// When it is due, monotonic nanoseconds.
    package let deadline: Int64
    package let policyVersion: UInt16
    let index: Int
}

/// What a decision that another node made means here.
package enum AdoptedDecision: Sendable {
    /// It is remembered; late spans will follow it.
    case remembered
    /// It is known already.
    case known
    /// Spans of the trace were here, undecided: they follow the decision. A sampled trace is read and finished as one of
    /// `nextDecision`.
    case settled(DecidedTrace)
    /// This node had decided otherwise: the trace was split. Late spans follow this node's decision.
    case conflicting
}

/// Handing traces and decisions to another node, and taking them from one.
extension Shard {
    /// Begins a sweep.
    package func beginSweep() -> SweepCursor {
        var cursor = SweepCursor(bucket: wheel.oldest)
        cursor.position = wheel.taken
        return cursor
    }

    /// Shows up to about `limit` decisions that are at most `maximumAge` seconds old.
    package mutating func sweepDecisions(
        _ cursor: inout SweepCursor, limit: Int, maximumAge: Int, now: Int64, _ visit: (TraceID, Decision, Int) -> Void
    ) {
        var left = limit
        let second = second(now)
        while left > 0 && !cursor.hasDecisionsEnded {
            guard cursor.cacheSet < setCount(notSampled: cursor.isInNotSampledCache) else {
                if cursor.isInNotSampledCache { cursor.hasDecisionsEnded = true }
                cursor.isInNotSampledCache = true
                cursor.cacheSet = 0
                continue
            }
            let set = cursor.cacheSet
            cursor.cacheSet += 1
            left -= DecisionCache.ways
            if cursor.isInNotSampledCache {
                notSampledCache?.visit(set: set, second: second, maximumAge: maximumAge, visit)
            } else {
                sampledCache?.visit(set: set, second: second, maximumAge: maximumAge, visit)
            }
        }
    }

    /// The next trace that moved, oldest deadline first; nil when `limit` traces were looked at in vain, or when there is none.
    package mutating func nextMoved(_ cursor: inout SweepCursor, limit: Int, now: Int64, isMoved: (TraceID) -> Bool) -> MovedTrace? {
        var left = limit
        if cursor.bucket < wheel.oldest {
            cursor.bucket = wheel.oldest
            cursor.position = wheel.taken
        }
        let end = wheel.oldest + Int64(wheel.mask)
        while left > 0 {
            guard wheel.count > 0, cursor.bucket <= end else {
                cursor.bucket = max(cursor.bucket, end)
                cursor.hasEnded = true
                return nil
            }
            let slot = Int(truncatingIfNeeded: cursor.bucket) & wheel.mask
            guard cursor.position < wheel.buckets[slot].count else {
                cursor.bucket += 1
                cursor.position = 0
                left -= 1
                continue
            }
            let index = Int(wheel.buckets[slot][cursor.position])
            cursor.position += 1
            left -= 1
            let flags = table[index].flags
            guard flags.contains(.isLive), !flags.contains(.isSettled), isMoved(table[index].traceID) else { continue }
            readChain(of: index)
            let summary = table[index]
            return MovedTrace(
                traceID: summary.traceID, spanCount: Int(summary.spanCount), spanBytes: Int(summary.spanBytes),
                age: Int64(milliseconds(now) &- summary.firstSeenMilliseconds) * 1_000_000, deadline: summary.deadline,
                policyVersion: summary.policyVersion, index: index)
        }
        return nil
    }

    /// Forgets a trace that another node answers for now. Its segments are freed with the others of their time.
    package mutating func release(_ trace: MovedTrace) {
        bufferedSpans -= trace.spanCount
        bufferedBytes -= trace.spanBytes
        remove(trace.index)
    }

    /// Makes room for a trace of which another node sends spans: call for the first of its spans, then `ingest` them all.
    ///
    /// It will be decided at its original time, whatever `decision_wait` is here, but not before `grace` is over; with spans of it that
    /// came here directly, at the earlier of both times. What a peer says to remain is believed up to an hour, or `decision_wait`. A trace that was decided here is left alone: `ingest` treats its spans as late.
    /// - Parameters:
    ///   - age: since its first span came, nanoseconds.
    ///   - remaining: until it is due, nanoseconds; negative: overdue.
    ///   - policyVersion: of the version that judges it; that in force if this shard has no such version.
    /// - Returns: whether the trace is new here.
    package mutating func adopt(
        _ record: SpanRecord, age: Int64, remaining: Int64, grace: Int64, policyVersion: UInt16, now: Int64
    ) -> Bool {
        // The trace keeps the wait that it began with, on whichever node and before whichever reload that was.
        let wait = tuning.decisionWait
        let deadline = now + min(max(remaining, min(grace, wait)), max(wait, Self.longestAdoptedWait))
        let seen = milliseconds(now) &- UInt32(truncatingIfNeeded: max(0, age) / 1_000_000)
        if let index = table.find(record.traceID, hash: record.hash) {
            let here = milliseconds(now) &- table[index].firstSeenMilliseconds
            if milliseconds(now) &- seen > here { table[index].firstSeenMilliseconds = seen }
            hasten(index, to: deadline, now: now)
            return false
        }
        if remembers(record.traceID, record.hash, now) != nil { return false }
        let place = versions.indices.first { versions[$0].version.number == policyVersion } ?? 0
        let summary = TraceSummary(
            record, deadline: deadline, policyVersion: versions[place].version.number, firstSeenMilliseconds: seen)
        // Without room its spans, which follow, find none either and are counted.
        guard let index = table.insert(summary) else { return false }
        if table.sideStride > 0 { table.clearSide(index) }
        versions[place].begin(index, summary)
        wheel.insert(index, deadline: deadline, now: now)
        return true
    }

    /// Takes over a decision that another node made `age` seconds ago.
    package mutating func adopt(_ decision: Decision, of traceID: TraceID, hash: UInt64, age: Int, now: Int64) -> AdoptedDecision {
        if let index = table.find(traceID, hash: hash) {
            context.now = now
            if table[index].flags.contains(.isSettled) {
                return table[index].settledVerdict == decision.verdict ? .known : .conflicting
            }
            let decided = DecidedTrace(
                decision: decision, policyNumber: decision.policy, compositePolicy: nil, cause: .due, spanCount: Int(table[index].spanCount), spanBytes: Int(table[index].spanBytes),
                deadline: table[index].deadline,
                ageMilliseconds: Int(milliseconds(now) &- table[index].firstSeenMilliseconds),
                hasRoot: table[index].flags.contains(.hasRoot), isReadable: decision.verdict == .sampled, isLarge: false,
                isRecorded: false, traceID: traceID, index: index)
            if decision.verdict == .sampled { readChain(of: index) } else { finish(decided) }
            return .settled(decided)
        }
        if let known = remembers(traceID, hash, now) { return known.verdict == decision.verdict ? .known : .conflicting }
        let second = second(now) &- UInt64(truncatingIfNeeded: max(0, age))
        if decision.verdict == .sampled {
            sampledCache?.insert(traceID, hash: hash, decision, second: second)
        } else {
            notSampledCache?.insert(traceID, hash: hash, decision, second: second)
        }
        return .remembered
    }

    /// The longest that a trace which another node hands over may still wait where `decision_wait` is shorter, nanoseconds.
    private static let longestAdoptedWait: Int64 = 3_600_000_000_000

    private mutating func setCount(notSampled: Bool) -> Int {
        if notSampled {
            if let sets = notSampledCache?.setCount { return sets }
        } else if let sets = sampledCache?.setCount {
            return sets
        }
        return 0
    }

    private mutating func remembers(_ traceID: TraceID, _ hash: UInt64, _ now: Int64) -> Decision? {
        let second = second(now)
        if let found = sampledCache?.find(traceID, hash: hash, second: second) { return found.decision }
        return notSampledCache?.find(traceID, hash: hash, second: second)?.decision
    }

}

extension DecisionCache {
    /// Shows the decisions of a set that are at most so old, with their age in seconds.
    func visit(set: Int, second: UInt64, maximumAge: Int, _ visit: (TraceID, Decision, Int) -> Void) {
        let start = set * Self.setWords
        for way in 0..<Self.ways {
            let state = words[start + way]
            guard state & 3 != 0, let verdict = Verdict(rawValue: UInt8(state & 3) - 1) else { continue }
            let age = Int((second &- (state >> 24)) & Self.secondMask)
            guard age <= maximumAge else { continue }
            let id = start + Self.ways + 2 * way
            let policy = UInt16(truncatingIfNeeded: state >> 2) & 0x3ff
            visit(
                TraceID(high: words[id], low: words[id + 1]),
                Decision(verdict: verdict, policy: policy == 0 ? nil : policy - 1), age)
        }
    }
}

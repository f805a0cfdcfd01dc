package import OTLP

/// A shard, as a sweep sees it: what `Sampling.Shard` offers, so that hand-off needs not know it. The conformance is the
/// driver's.
package protocol HandoffSource: ~Copyable {
    associatedtype Cursor: Sendable
    associatedtype Moved: Sendable

    /// Begins a sweep: first the decisions, then the traces in the order of their deadlines.
    func beginSweep() -> Cursor
    /// Shows about `limit` more decisions. Returns whether there are more.
    mutating func moreDecisions(_ cursor: inout Cursor, limit: Int, now: Int64, _ visit: (HandoffDecision) -> Void) -> Bool
    /// The next trace that moved; nil when about `limit` traces were looked at in vain, or at the end.
    mutating func nextMoved(_ cursor: inout Cursor, limit: Int, now: Int64, isMoved: (TraceID) -> Bool) -> Moved?
    /// What the new owner has to know of a trace, when it is due (monotonic nanoseconds), and how many spans it has.
    func describe(_ trace: Moved, now: Int64) -> (trace: HandoffTrace, deadline: Int64, spans: Int)
    /// Calls for the span number `position` of the trace that `nextMoved` gave last: group hash, resource header, scope header,
    /// span.
    func withSpan(_ position: Int, _ body: (UInt64, Span<UInt8>, Span<UInt8>, Span<UInt8>) -> Void)
    /// Forgets a trace whose spans have been read.
    mutating func release(_ trace: Moved)
    /// Every moved trace due before this has been given.
    func frontier(_ cursor: Cursor) -> Int64
    func hasEnded(_ cursor: Cursor) -> Bool
}

/// Takes what moved out of a shard, in slices, and packs it into chunks for its new owners. One per lane, beside its
/// `HandoffSender`.
package struct HandoffSweep<Source: HandoffSource & ~Copyable>: Sendable {
    /// Decisions or traces that are looked at between two looks at what is left of a slice.
    private static var step: Int { 64 }

    private let settings: ClusterSettings
    private let address: String
    private var cursor: Source.Cursor?
    /// Traces that were taken out of the source for their new owners, since the start.
    package private(set) var movedTraces = 0
    private var hasMoreDecisions = true
    private var builders: [String: HandoffChunkBuilder] = [:]

    package init(address: String, settings: ClusterSettings) {
        self.address = address
        self.settings = settings
    }

    /// Spans that are in chunks which are not finished; between two calls none are.
    package var spanCount: Int { builders.values.reduce(0) { $0 + $1.spanCount } }

    /// Begins anew, after `HandoffSender.ringChanged` and what it asked to be taken back.
    package mutating func begin(_ source: borrowing Source) {
        cursor = source.beginSweep()
        hasMoreDecisions = true
    }

    /// Goes on for a slice: as far as the sender's allowance goes, and at most `limit` decisions and traces. Call every turn
    /// while `HandoffSender.isSweeping`.
    ///
    /// - Parameter policyName: the name of a policy by its number in the source's decisions.
    /// - Complexity: O(limit), and the bytes of what moved are copied once.
    package mutating func advance(
        _ source: inout Source, _ sender: inout HandoffSender, ring: HashRing, limit: Int, now: Int64,
        policyName: (UInt16) -> String? = { _ in nil }
    ) -> [HandoffSender.Action] {
        guard sender.isSweeping, var cursor else { return [] }
        var actions: [HandoffSender.Action] = []
        var allowance = sender.allowance(now: now)
        var left = limit
        while allowance > 0 && left > 0 && !source.hasEnded(cursor) {
            left -= Self.step
            if hasMoreDecisions {
                collectDecisions(&source, &cursor, ring, now, policyName)
                // Decisions and traces never share a chunk: what a chunk promises holds for one kind.
                if !hasMoreDecisions { flush(&sender, now, &actions) }
                continue
            }
            let own = address
            guard let moved = source.nextMoved(
                &cursor, limit: Self.step, now: now, isMoved: { ring.members[ring.owner(of: $0)].address != own })
            else { continue }
            let (trace, deadline, spans) = source.describe(moved, now: now)
            let owner = ring.members[ring.owner(of: trace.traceID)].address
            var builder = builders.removeValue(forKey: owner) ?? HandoffChunkBuilder()
            let before = builder.byteCount
            builder.begin(trace, deadline: deadline)
            for position in 0..<spans {
                source.withSpan(position) { builder.add(groupHash: $0, resource: $1, scope: $2, span: $3) }
            }
            source.release(moved)
            movedTraces += 1
            allowance -= builder.byteCount - before
            if builder.byteCount >= settings.handoffChunkBytes {
                actions += sender.enqueue(&builder, to: owner, now: now)
            }
            builders[owner] = builder
        }
        flush(&sender, now, &actions)
        if left < limit { sender.sweptSlice() }
        if !hasMoreDecisions { sender.swept(frontier: source.frontier(cursor)) }
        if source.hasEnded(cursor) {
            self.cursor = nil
            actions += sender.sweepEnded(now: now)
        } else {
            self.cursor = cursor
        }
        return actions
    }

    private mutating func collectDecisions(
        _ source: inout Source, _ cursor: inout Source.Cursor, _ ring: HashRing, _ now: Int64,
        _ policyName: (UInt16) -> String?
    ) {
        let maximumAge = settings.handoffDecisionAge / 1_000_000_000
        var moved: [(owner: String, decision: HandoffDecision)] = []
        hasMoreDecisions = source.moreDecisions(&cursor, limit: Self.step, now: now) { decision in
            let owner = ring.members[ring.owner(of: decision.traceID)].address
            if owner != address && Int64(decision.age) <= maximumAge { moved.append((owner, decision)) }
        }
        for (owner, decision) in moved {
            builders[owner, default: HandoffChunkBuilder()].add(decision, policyName: policyName)
        }
    }

    private mutating func flush(_ sender: inout HandoffSender, _ now: Int64, _ actions: inout [HandoffSender.Action]) {
        for owner in builders.keys.sorted() {
            guard var builder = builders.removeValue(forKey: owner) else { continue }
            actions += sender.enqueue(&builder, to: owner, now: now)
        }
    }
}

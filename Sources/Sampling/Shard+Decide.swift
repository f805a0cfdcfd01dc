internal import BasicContainers
internal import OTLP

extension Shard {
    /// When traces may become due next: the earliest moment at which it makes sense to look again.
    package static func nextDue(after now: Int64) -> Int64 { DecisionWheel.end(ofBucketAt: now) }

    /// Decides the next trace that is due at `now`, or with `early` the next of all. Nil when there is none. Traces that their own
    /// spans settled come first.
    ///
    /// A trace that is not `isReadable` is gone when this returns; the others stay until `finish`.
    package mutating func nextDecision(now: Int64, early: Bool = false) -> DecidedTrace? {
        guard let trace = decideNext(now: now, early: early) else { return nil }
        if trace.isReadable { readChain(of: trace.index) }
        return trace
    }

    /// Decides the next traces like `nextDecision`, up to `Shard.runTraces` of them, into `run`. Fewer than that are no sign that
    /// none are left; none at all are.
    ///
    /// The spans of the readable ones can be read after `beginReading`, one trace after the other. Their records lie scattered over
    /// the whole window, each known only from the next: following a trace alone costs a miss of cache and TLB for each
    /// span. Here all traces of a run are followed side by side, so that the misses overlap.
    package mutating func decideRun(_ run: inout [DecidedTrace], now: Int64, early: Bool = false) {
        run.removeAll(keepingCapacity: true)
        if !settled.isEmpty {
            // Alone: its tombstone must stand before its time is looked at.
            if let trace = nextDecision(now: now, early: early) { run.append(trace) }
            return
        }
        var spans = 0
        var readable = 0
        while run.count < Self.runTraces, readable < Self.runReadableTraces, spans < Self.runSpans,
            var trace = decideNext(now: now, early: early)
        {
            if trace.isReadable {
                segments.prefetch(table[trace.index].lastRecord)
                // An earlier place of it in the wheel must not decide it again before it is finished.
                table[trace.index].flags.formUnion([.isSettled, .isSetAside])
                trace.chainStart = spans
                spans += trace.spanCount
                readable += 1
            }
            run.append(trace)
        }
        readChains(of: run, spans: spans)
    }

    static let runTraces = 64
    static let runReadableTraces = 16
    static let runSpans = 4096

    /// `withSpan` reads this trace of the run that was decided last.
    package mutating func beginReading(_ trace: DecidedTrace) { chainStart = trace.chainStart }

    private mutating func readChains(of run: [DecidedTrace], spans: Int) {
        chainStart = 0
        chain.removeAll(keepingCapacity: chain.capacity <= 1 << 16)
        guard spans > 0 else { return }
        chain.append(contentsOf: repeatElement(.none, count: spans))
        followed.removeAll(keepingCapacity: true)
        for trace in run where trace.isReadable {
            followed.append(FollowedChain(next: table[trace.index].lastRecord, place: trace.chainStart + trace.spanCount))
        }
        var isAnyLeft = true
        while isAnyLeft {
            isAnyLeft = false
            for position in followed.indices where !followed[position].next.isNone {
                let location = followed[position].next
                followed[position].place -= 1
                chain[followed[position].place] = location
                let previous = segments.previous(of: location)
                followed[position].next = previous
                if !previous.isNone {
                    segments.prefetch(previous)
                    isAnyLeft = true
                }
            }
        }
    }

    /// Decides the next trace; the spans of a readable one are not yet found.
    private mutating func decideNext(now: Int64, early: Bool) -> DecidedTrace? {
        context.now = now
        if let next = settled.popFirst() { return takeSettled(next, now: now) }
        guard let index = nextUndecided(now: now, all: early) else { return nil }
        prefetchDecisions()
        return decide(index, now: now, early: early)
    }

    /// The next trace whose time has come, or with `all` the next one whatever its time. Tombstones that it passes are removed.
    @inline(__always)
    private mutating func nextUndecided(now: Int64, all: Bool) -> Int? {
        while let index = wheel.next(now: now, all: all) {
            let flags = table[index].flags
            // A stale place: the trace was decided earlier, and another one may live in its entry now.
            guard flags.contains(.isLive), all || table[index].deadline <= now else { continue }
            if !flags.contains(.isSettled) { return index }
            if !flags.contains(.isSetAside) { removeTombstone(index) }
        }
        return nil
    }

    /// Forgets all traces that wait for their decision; no policy is asked, nothing is remembered. Returns their spans.
    ///
    /// What its spans settled is decided, and must have been handed out by `nextDecision` before. Large traces that are
    /// set aside stay.
    package mutating func forgetPending(now: Int64) -> Int {
        precondition(settled.isEmpty, "settled traces are decided, not pending")
        var spans = 0
        while let index = nextUndecided(now: now, all: true) {
            spans += Int(table[index].spanCount)
            bufferedSpans -= Int(table[index].spanCount)
            bufferedBytes -= Int(table[index].spanBytes)
            remove(index)
        }
        freeDecided()
        return spans
    }

    /// Whether spans settled traces that `nextDecision` has not yet handed out.
    package var hasSettled: Bool { !settled.isEmpty }

    private mutating func decide(_ index: Int, now: Int64, early: Bool) -> DecidedTrace {
        let place = place(ofNumber: table[index].policyVersion)
        let decision: Decision
        if settings.isSpanIngest {
            // What no part of the trace settled is not sampled.
            decision = Decision(verdict: .notSampled, policy: nil)
        } else {
            let sideWords = versions[place].sideWords
            if sideWords > 0 { table.copySide(index, sideWords, to: &context.side) }
            untimed += 1
            if untimed >= Self.timedTraces, let clock { context.timing = PolicyTiming(clock: clock) }
            decision = versions[place].decide(table[index], &context)
            if let timing = context.timing {
                versions[place].add(timing.nanoseconds, weight: Self.timedTraces)
                context.timing = nil
                untimed = 0
            }
            if versions[place].hasShadow { decideShadow(index, place, decision, now: now) }
        }
        if log != nil { remember(index, place, decision, .due, now: now, early: early) }
        let number = decision.policy == nil ? nil : versions[place].version.number(ofPolicy: decision.policy)
        return handOut(index, decision, number, compositePolicy(place), .due, now: now)
    }

    @inline(never)
    private mutating func decideShadow(_ index: Int, _ place: Int, _ decision: Decision, now: Int64) {
        let version = versions[place].version
        guard let set = version.shadow, let summary = versions[place].shadow?[index] else { return }
        if let side = versions[place].shadow?.side(of: index) { shadowContext.side = side }
        shadowContext.now = now
        let other = set.decide(summary, &shadowContext, verdicts: &versions[place].shadowTally)
        shadowComparison.note(decision, other, table[index].traceID, version, now: now)
    }

    /// The sub-policy with which a composite sampled the trace that was decided last.
    private func compositePolicy(_ place: Int) -> String? {
        guard !settings.isSpanIngest, let number = context.compositeSubPolicy else { return nil }
        let names = versions[place].version.policies.compositeSubPolicies
        return number < names.count ? names[number] : nil
    }

    /// Makes a decided trace readable, sets it aside, or forgets it.
    private mutating func handOut(
        _ index: Int, _ decision: Decision, _ policyNumber: UInt16?, _ compositePolicy: String?,
        _ cause: DecidedTrace.Cause, now: Int64
    ) -> DecidedTrace {
        let summary = table[index]
        let isSampled = decision.verdict == .sampled
        let isLarge = Int(summary.spanCount) > settings.largeTraceSpans
        let isRecorded = isWanted(summary.hash)
        let decided = DecidedTrace(
            decision: decision, policyNumber: policyNumber, compositePolicy: compositePolicy, cause: cause, spanCount: Int(summary.spanCount),
            spanBytes: Int(summary.spanBytes), deadline: summary.deadline,
            ageMilliseconds: Int(milliseconds(now) &- summary.firstSeenMilliseconds),
            hasRoot: summary.flags.contains(.hasRoot), isReadable: !isLarge && (isSampled || isRecorded),
            isLarge: isLarge && (isSampled || isRecorded), isRecorded: isRecorded,
            traceID: summary.traceID, index: index)
        if decided.isLarge {
            setAside(decided)
        } else if !decided.isReadable {
            finish(decided)
        }
        return decided
    }

    /// Deciding touches a summary, its index slot and a set of the cache: fetched twelve and six decisions ahead.
    private func prefetchDecisions() {
        if let ahead = wheel.peek(12) { table.prefetch(ahead) }
        guard let ahead = wheel.peek(6) else { return }
        let hash = table[ahead].hash
        table.prefetchSlot(hash)
        notSampledCache?.prefetch(hash)
        log?.prefetch(hash, ahead: 6)
    }

    /// Whether a recording wants this trace. Other bits of the hash than those that choose shard and slot come first.
    @inline(__always)
    private func isWanted(_ hash: UInt64) -> Bool {
        guard let threshold = recordingThreshold else { return false }
        return hash &* 0x9e37_79b9_7f4a_7c15 <= threshold
    }

    /// Calls for the span number `position` (in order of arrival) of the trace that was decided last, or of the part of a large
    /// trace that was handed out last: group hash, resource header, scope header, span bytes.
    package func withSpan(
        _ position: Int, _ body: (UInt64, Span<UInt8>, Span<UInt8>, Span<UInt8>) -> Void
    ) {
        if chainStart + position + 3 < chain.count { segments.prefetch(chain[chainStart + position + 3]) }
        if chainStart + position + 1 < chain.count { segments.prefetchSpan(chain[chainStart + position + 1]) }
        let location = chain[chainStart + position]
        body(
            segments.groupHash(at: location), segments.resource(at: location), segments.scope(at: location),
            segments.span(at: location))
    }

    /// Forgets a decided trace but for its decision.
    package mutating func finish(_ decided: DecidedTrace) {
        bufferedSpans -= decided.spanCount
        bufferedBytes -= decided.spanBytes
        remember(decided)
        if decided.cause == .due {
            remove(decided.index)
        } else {
            leaveTombstone(decided.index)
        }
    }

    /// Puts a decision into its cache.
    private mutating func remember(_ decided: DecidedTrace) {
        let traceID = table[decided.index].traceID
        let hash = table[decided.index].hash
        let second = second(context.now)
        let decision = Decision(verdict: decided.decision.verdict, policy: decided.policyNumber)
        if decision.verdict == .sampled {
            sampledCache?.insert(traceID, hash: hash, decision, second: second)
        } else {
            notSampledCache?.insert(traceID, hash: hash, decision, second: second)
        }
    }

    /// A trace leaves the table.
    mutating func remove(_ index: Int) {
        releaseVersion(table[index].policyVersion)
        table.remove(index)
    }

    mutating func readChain(of index: Int) {
        chainStart = 0
        chain.removeAll(keepingCapacity: chain.capacity <= 1 << 16)
        var location = table[index].lastRecord
        while !location.isNone {
            chain.append(location)
            location = segments.previous(of: location)
        }
        chain.reverse()
    }

    // MARK: settled by their spans

    /// A trace is decided before its time. `nextDecision` hands it out next; spans that come from now on are late.
    mutating func settle(_ index: Int, _ decision: Decision, _ cause: DecidedTrace.Cause, now: Int64) {
        let place = place(ofNumber: table[index].policyVersion)
        context.now = now
        if log != nil { remember(index, place, decision, cause, now: now, early: false) }
        settled.append(
            SettledTrace(
                index: index, decision: decision, cause: cause,
                policyNumber: versions[place].version.number(ofPolicy: decision.policy),
                compositePolicy: cause == .arrival ? compositePolicy(place) : nil))
        var flags: TraceSummary.Flags = .isSettled
        if decision.verdict == .sampled { flags.insert(.wasSampled) }
        if decision.verdict == .dropped { flags.insert(.wasDropped) }
        table[index].flags.formUnion(flags)
        table[index].settledSecond = second(now)
    }

    private mutating func takeSettled(_ next: SettledTrace, now: Int64) -> DecidedTrace {
        handOut(next.index, next.decision, next.policyNumber, next.compositePolicy, next.cause, now: now)
    }

    /// The entry stays until the trace's time, so that its spans stay late even with the caches off.
    private mutating func leaveTombstone(_ index: Int) {
        table[index].spanCount = 0
        table[index].spanBytes = 0
        table[index].lastRecord = .none
        table[index].lastEvidence = .none
        tombstones += 1
    }

    private mutating func removeTombstone(_ index: Int) {
        // One that has not been handed out is not one yet; it goes with its decision.
        tombstones -= 1
        remove(index)
    }

    // MARK: large traces

    private mutating func setAside(_ decided: DecidedTrace) {
        bufferedSpans -= decided.spanCount
        bufferedBytes -= decided.spanBytes
        remember(decided)
        table[decided.index].flags.formUnion([.isSettled, .isSetAside])
        switch decided.decision.verdict {
        case .sampled: table[decided.index].flags.insert(.wasSampled)
        case .dropped: table[decided.index].flags.insert(.wasDropped)
        case .notSampled: break
        }
        table[decided.index].settledSecond = second(context.now)
        large.append(
            LargeTrace(
                index: decided.index, deadline: decided.deadline, unread: table[decided.index].lastRecord, decided: decided))
    }

    /// Whether large traces are set aside that have not been read to their end.
    package var hasLarge: Bool { !large.isEmpty }

    /// The next spans of the large traces, at most `limit`: `spanCount` calls of `withSpan`, in order of arrival. A part may be
    /// empty. Nil when nothing is left.
    ///
    /// - Complexity: O(limit).
    package mutating func nextLargePart(limit: Int) -> LargeTracePart? {
        guard !large.isEmpty else { return nil }
        chainStart = 0
        chain.removeAll(keepingCapacity: chain.capacity <= 1 << 16)
        let decided = large.first.decided
        if !large.first.unread.isNone {
            // The chain leads from the newest to the oldest span: it is followed to its end first.
            for _ in 0..<limit * 8 {
                let location = large.first.unread
                if location.isNone { break }
                large.first.chain.append(location)
                large.first.unread = segments.previous(of: location)
            }
            return LargeTracePart(spanCount: 0, spanBytes: 0, decided: decided)
        }
        var bytes = 0
        for _ in 0..<limit {
            guard let location = large.first.chain.popLast() else { break }
            chain.append(location)
            bytes += segments.span(at: location).count
        }
        if chain.isEmpty, let done = large.popFirst() { remove(done.index) }
        return LargeTracePart(spanCount: chain.count, spanBytes: bytes, decided: decided)
    }
}

/// A trace that its spans settled, on its way to `Shard.nextDecision`.
struct SettledTrace {
    let index: Int
    let decision: Decision
    let cause: DecidedTrace.Cause
    let policyNumber: UInt16?
    let compositePolicy: String?
}

/// How far the chain of one trace of a run has been followed.
struct FollowedChain {
    var next: RecordLocation
    /// Where the record found before went; the first of the trace at the end.
    var place: Int
}

/// A sampled or recorded trace that is read over many turns.
struct LargeTrace {
    let index: Int
    let deadline: Int64
    /// The newest record that is not in `chain`.
    var unread: RecordLocation
    let decided: DecidedTrace
    /// Newest first.
    var chain: [RecordLocation] = []
}

/// Some spans of a large trace.
package struct LargeTracePart: Sendable {
    package let spanCount: Int
    package let spanBytes: Int
    /// The whole trace.
    package let decided: DecidedTrace
}

import OTLP
import TestSupport
import Testing

@testable import Sampling

private let keepErrors = PolicySet(
    version: 1, policies: named(("errors", FixedPolicy(.sampled))), predicates: PredicateCompiler())
private let keepNothing = PolicySet(
    version: 1, policies: named(("none", FixedPolicy(.notSampled))), predicates: PredicateCompiler())
private let dropAll = PolicySet(
    version: 1, policies: named(("drop", FixedPolicy(.dropped))), predicates: PredicateCompiler())

private func smallSettings(wait: Int64 = 10 * second, sampled: Int = 1000, notSampled: Int = 1000) -> ShardSettings {
    var settings = ShardSettings()
    settings.decisionWait = wait
    settings.maximumBytes = 256 << 20
    settings.sampledCacheSize = sampled
    settings.notSampledCacheSize = notSampled
    return settings
}

private func trace(_ number: UInt64) -> TraceID { TraceID(high: 0xfeed, low: number) }

@Suite struct ShardTests {
    @Test func decidesAtTheDeadlineAndKeepsBytesAndOrder() {
        var shard = Shard(settings: smallSettings(), policies: keepErrors, now: 0)
        let first = (1...5 as ClosedRange<UInt64>).map { TestSpan(trace: trace(1), id: $0, filler: Int($0) * 7) }
        let second = (6...9 as ClosedRange<UInt64>).map { TestSpan(trace: trace(1), id: $0, isRoot: $0 == 7) }
        let one = shard.take(first, keepErrors, group: 1, now: 0)
        let two = shard.take(second, keepErrors, group: 2, now: 3 * SamplingTests.second)
        #expect(one.newTraces == 1 && one.bufferedSpans == 5 && two.newTraces == 0 && two.bufferedSpans == 4)
        #expect(one.bufferedBytes == first.reduce(0) { $0 + $1.bytes.count })
        let before = shard.decideAll(now: 10 * SamplingTests.second - 1)
        let (held, bytes) = (shard.bufferedSpans, shard.bufferedBytes)
        let decided = shard.decideAll(now: 10 * SamplingTests.second + bucketWidth)
        #expect(before.isEmpty && held == 9)
        #expect(bytes == (first + second).reduce(0) { $0 + $1.bytes.count })
        #expect(decided.count == 1)
        #expect(decided[0].decision == Decision(verdict: .sampled, policy: 0))
        #expect(decided[0].spanCount == 9 && decided[0].spanBytes == bytes && decided[0].hasRoot)
        #expect(decided[0].deadline == 10 * SamplingTests.second)
        #expect(decided[0].spans.map(\.span) == (first + second).map(\.bytes))
        #expect(decided[0].spans.map(\.resource) == first.map { _ in TestGroup(1).resource } + second.map { _ in TestGroup(2).resource })
        #expect(decided[0].spans.map(\.scope) == first.map { _ in TestGroup(1).scope } + second.map { _ in TestGroup(2).scope })
        let (left, leftBytes, traces) = (shard.bufferedSpans, shard.bufferedBytes, shard.traceCount)
        #expect(left == 0 && leftBytes == 0 && traces == 0)
    }

    /// A trace is decided early, which moves the wheel 30 s on; the next one is due a second after its root. It is decided then, and
    /// its spans are there, though nothing else has so early a deadline.
    @Test func decidingEarlyDelaysNothing() {
        var settings = smallSettings(wait: 30 * second)
        settings.decisionWaitAfterRootReceived = second
        settings.largeTraceSpans = 10_000
        var shard = Shard(settings: settings, policies: keepErrors, now: 0)
        _ = shard.take([TestSpan(trace: trace(1))], keepErrors, now: 0)
        let other = shard.take([TestSpan(trace: trace(2))], keepErrors, now: 0)
        let early = shard.nextDecision(now: 0, early: true)
        if let early { shard.finish(early) }
        _ = shard.take([TestSpan(trace: trace(3), id: 1, isRoot: true)], keepErrors, now: 0)
        // So many that whole segments hold nothing else.
        for number in 2..<40 as Range<UInt64> {
            _ = shard.take([TestSpan(trace: trace(3), id: number, filler: 300_000)], keepErrors, now: 0)
        }
        shard.freeDecided()
        let before = shard.decideAll(now: second - 1)
        let decided = shard.decideAll(now: second + bucketWidth)
        #expect(other.newTraces == 1 && early?.traceID == trace(1) && before.isEmpty)
        #expect(decided.count == 1 && decided.first?.spans.count == 39 && decided.first?.deadline == second)
        let rest = shard.decideAll(now: 30 * second + bucketWidth)
        #expect(rest.count == 1 && rest.first?.spans.count == 1)
    }

    /// After a reload to a longer wait an empty shard does not hold back what is due earlier.
    @Test func aLongerWaitDelaysNothingThatIsDueEarlier() {
        var settings = smallSettings(wait: 2 * second)
        settings.decisionWaitAfterRootReceived = second
        let version = PolicyVersion(number: 1, policies: keepErrors)
        var shard = Shard(settings: settings, version: version, keys: testKeys, now: 0)
        var tuning = settings.tuning
        tuning.decisionWait = 30 * second
        shard.install(version, tuning: tuning)
        _ = shard.take([TestSpan(trace: trace(1), isRoot: true)], keepErrors, now: 5 * second)
        let before = shard.decideAll(now: 6 * second)
        let decided = shard.decideAll(now: 6 * second + bucketWidth)
        #expect(before.isEmpty && decided.count == 1)
    }

    /// What waits is forgotten without a decision; what is set aside is decided, and stays to be read.
    @Test func pendingTracesAreForgotten() {
        var settings = smallSettings()
        settings.largeTraceSpans = 3
        var shard = Shard(settings: settings, policies: keepErrors, now: 0)
        let large = (1...5 as ClosedRange<UInt64>).map { TestSpan(trace: trace(1), id: $0) }
        _ = shard.take(large, keepErrors, now: 0)
        let decided = shard.decideAll(now: 11 * SamplingTests.second)
        #expect(decided.count == 1 && decided[0].spans.isEmpty)
        for number in 2..<30 as Range<UInt64> {
            _ = shard.take((0..<number).map { TestSpan(trace: trace(number), id: $0 + 1) }, keepErrors, now: 12 * SamplingTests.second)
        }
        let forgotten = shard.forgetPending(now: 12 * SamplingTests.second)
        let (left, bytes, traces, pending) = (shard.bufferedSpans, shard.bufferedBytes, shard.traceCount, shard.pendingTraces)
        #expect(forgotten == (2..<30).reduce(0, +))
        #expect(left == 0 && bytes == 0 && traces == 1 && pending == 0)
        var read = 0
        while let part = shard.nextLargePart(limit: 2) { read += part.spanCount }
        #expect(read == 5)
        // None of them was judged: spans of theirs that come now are of new traces.
        let again = shard.take([TestSpan(trace: trace(2), id: 9)], keepErrors, now: 13 * SamplingTests.second)
        #expect(again.newTraces == 1 && again.bufferedSpans == 1)
    }

    /// Traces of a run are followed side by side; what is read is what reading one after the other gives.
    @Test(arguments: [1, 2, 3] as [UInt64]) func runsReadWhatSingleDecisionsRead(seed: UInt64) {
        var random = SeededGenerator(seed)
        var runs = Shard(settings: smallSettings(), policies: keepErrors, now: 0)
        var single = Shard(settings: smallSettings(), policies: keepErrors, now: 0)
        for request in 0..<60 as Range<UInt64> {
            let spans = (0..<150 as Range<UInt64>).map { number in
                // A few traces have most of the spans.
                let owner = random.chance(60) ? random.below(8) : random.below(200)
                return TestSpan(trace: trace(UInt64(owner)), id: request * 1000 + number + 1, filler: random.below(300))
            }
            for (group, part) in [(Int(request % 7), spans[..<70]), (Int(request % 5), spans[70...])] {
                _ = runs.take(Array(part), keepErrors, group: group, now: Int64(request) * millisecond)
                _ = single.take(Array(part), keepErrors, group: group, now: Int64(request) * millisecond)
            }
        }
        var expected: [[KeptSpan]] = []
        while let trace = single.nextDecision(now: 11 * second) {
            expected.append(single.read(trace))
            single.finish(trace)
        }
        var found: [[KeptSpan]] = []
        var run: [DecidedTrace] = []
        var sizes: [Int] = []
        while true {
            runs.decideRun(&run, now: 11 * second)
            if run.isEmpty { break }
            sizes.append(run.count)
            let readable = run.filter(\.isReadable)
            #expect(readable.count <= Shard.runReadableTraces)
            #expect(readable.dropLast().reduce(0) { $0 + $1.spanCount } < Shard.runSpans)
            for trace in readable {
                runs.beginReading(trace)
                found.append(runs.read(trace))
                runs.finish(trace)
            }
        }
        #expect(expected.count > 180 && found == expected)
        #expect(sizes.max() == Shard.runReadableTraces)
        let (left, used) = (runs.bufferedSpans, runs.bufferedBytes)
        #expect(left == 0 && used == 0)
    }

    @Test func earlyDecidesEverything() {
        var shard = Shard(settings: smallSettings(wait: 30 * second), policies: keepNothing, now: 0)
        for number in 0..<100 as Range<UInt64> {
            _ = shard.take([TestSpan(trace: trace(number))], keepNothing, now: Int64(number) * 50 * millisecond)
        }
        let none = shard.decideAll(now: 5 * second)
        let all = shard.decideAll(now: 5 * second, early: true)
        let again = shard.decideAll(now: 5 * second, early: true)
        let (left, used) = (shard.bufferedSpans, shard.usedSegmentBytes)
        #expect(none.isEmpty && all.count == 100 && again.isEmpty)
        #expect(all.allSatisfy { $0.decision.verdict == .notSampled && $0.spans.isEmpty })
        #expect(left == 0 && used == 0)
    }

    /// Late spans follow the decision on their trace, whichever it was.
    @Test func lateSpansFollowTheDecision() {
        for (policies, verdict) in [(keepErrors, Verdict.sampled), (keepNothing, .notSampled), (dropAll, .dropped)] {
            var shard = Shard(settings: smallSettings(), policies: policies, now: 0)
            _ = shard.take([TestSpan(trace: trace(1))], policies, now: 0)
            let decided = shard.decideAll(now: 11 * second)
            #expect(decided.map(\.decision.verdict) == [verdict])
            let mixed = [TestSpan(trace: trace(2)), TestSpan(trace: trace(1), id: 2), TestSpan(trace: trace(1), id: 3)]
            let result = shard.take(mixed, policies, now: 12 * second)
            #expect(result.bufferedSpans == 1 && result.newTraces == 1)
            #expect(result.lateSampled == (verdict == .sampled ? [1, 2] : []))
            #expect(result.lateNotSampled == (verdict == .notSampled ? 2 : 0))
            #expect(result.lateDropped == (verdict == .dropped ? 2 : 0))
            let count = shard.traceCount
            #expect(count == 1)
        }
    }

    /// With the caches off, late spans begin a trace of their own.
    @Test func withoutCachesLateSpansAreANewTrace() {
        for policies in [keepErrors, keepNothing] {
            var shard = Shard(settings: smallSettings(sampled: 0, notSampled: 0), policies: policies, now: 0)
            _ = shard.take([TestSpan(trace: trace(1))], policies, now: 0)
            let first = shard.decideAll(now: 11 * second)
            let late = shard.take([TestSpan(trace: trace(1), id: 2)], policies, now: 12 * second)
            let second = shard.decideAll(now: 23 * SamplingTests.second)
            #expect(first.count == 1 && late.newTraces == 1 && late.bufferedSpans == 1)
            #expect(late.lateSampled == [] && late.lateNotSampled == 0)
            #expect(second.map(\.spanCount) == [1] && second.first?.deadline == 22 * SamplingTests.second)
        }
    }

    /// Only one of the two caches is on: its traces are remembered, the others are not.
    @Test func eachCacheIsItsOwn() {
        var shard = Shard(settings: smallSettings(sampled: 0), policies: keepErrors, now: 0)
        _ = shard.take([TestSpan(trace: trace(1))], keepErrors, now: 0)
        _ = shard.decideAll(now: 11 * second)
        let late = shard.take([TestSpan(trace: trace(1))], keepErrors, now: 12 * second)
        #expect(late.newTraces == 1)
        var other = Shard(settings: smallSettings(notSampled: 0), policies: keepNothing, now: 0)
        _ = other.take([TestSpan(trace: trace(1))], keepNothing, now: 0)
        _ = other.decideAll(now: 11 * second)
        let otherLate = other.take([TestSpan(trace: trace(1))], keepNothing, now: 12 * second)
        #expect(otherLate.newTraces == 1)
    }

    @Test func idsThatShareTheLowHalfAreDifferentTraces() {
        var shard = Shard(settings: smallSettings(), policies: keepErrors, now: 0)
        let ids = [TraceID(high: 0, low: 5), TraceID(high: 1, low: 5), TraceID(high: 2, low: 5)]
        let result = shard.take(ids.map { TestSpan(trace: $0) }, keepErrors, now: 0)
        let decided = shard.decideAll(now: 11 * second)
        #expect(result.newTraces == 3)
        #expect(Set(decided.flatMap { $0.spans.map(\.span) }) == Set(ids.map { TestSpan(trace: $0).bytes }))
        let late = shard.take([TestSpan(trace: TraceID(high: 3, low: 5))], keepErrors, now: 12 * second)
        #expect(late.newTraces == 1)
    }

    @Test func rootSpansHastenTheDecision() {
        var settings = smallSettings(wait: 30 * second)
        settings.decisionWaitAfterRootReceived = 2 * second
        var shard = Shard(settings: settings, policies: keepNothing, now: 0)
        // Without a root: after 30 s. With one at 5 s: at 7 s. With one at 29 s: not later than 30 s.
        _ = shard.take((1...3 as ClosedRange<UInt64>).map { TestSpan(trace: trace($0)) }, keepNothing, now: 0)
        _ = shard.take([TestSpan(trace: trace(2), id: 2, isRoot: true)], keepNothing, now: 5 * second)
        // A second root never puts it off.
        _ = shard.take([TestSpan(trace: trace(2), id: 3, isRoot: true)], keepNothing, now: 6 * second)
        let before = shard.decideAll(now: 7 * second - 1)
        let at7 = shard.decideAll(now: 7 * second + bucketWidth)
        _ = shard.take([TestSpan(trace: trace(3), id: 2, isRoot: true)], keepNothing, now: 29 * second)
        let before30 = shard.decideAll(now: 30 * second - 1)
        let at30 = shard.decideAll(now: 30 * second + bucketWidth)
        let after = shard.decideAll(now: 60 * second)
        #expect(before.isEmpty)
        #expect(at7.map(\.spanCount) == [3] && at7.first?.deadline == 7 * second && at7.first?.hasRoot == true)
        #expect(before30.isEmpty)
        #expect(at30.map(\.spanCount).sorted() == [1, 2] && at30.allSatisfy { $0.deadline == 30 * second })
        #expect(after.isEmpty)
    }

    /// A place in the wheel that a hastened trace left behind must not decide the trace that lives in its entry now.
    @Test func staleWheelPlacesDecideNobodyEarly() {
        var settings = smallSettings(wait: 10 * second)
        settings.decisionWaitAfterRootReceived = second
        var shard = Shard(settings: settings, policies: keepNothing, now: 0)
        _ = shard.take([TestSpan(trace: trace(1), isRoot: true)], keepNothing, now: 0)
        let first = shard.decideAll(now: second + bucketWidth)
        // Takes the same entry of the table; its deadline is 15 s, the stale place fires at 10 s.
        _ = shard.take([TestSpan(trace: trace(2))], keepNothing, now: 5 * second)
        let stale = shard.decideAll(now: 12 * second)
        let second = shard.decideAll(now: 15 * SamplingTests.second + bucketWidth)
        #expect(first.count == 1 && stale.isEmpty && second.count == 1)
        #expect(second.first?.deadline == 15 * SamplingTests.second)
    }

    /// Nobody ticks for a while: the loop was busy, or decisions are held back since every destination is full. Spans
    /// that arrive then must still find a place in the wheel.
    @Test(arguments: [1, 10, 30] as [Int64]) func spansArriveAfterAPauseOfTicks(wait: Int64) async {
        let result = await #expect(processExitsWith: .success) { [wait] in
            var shard = Shard(settings: smallSettings(wait: wait * second), policies: keepNothing, now: 0)
            _ = shard.take([TestSpan(trace: trace(1))], keepNothing, now: 0)
            _ = shard.decideAll(now: 10 * millisecond)
            var random = SeededGenerator(1)
            var now: Int64 = 10 * millisecond
            for number in 2..<200 as Range<UInt64> {
                now += Int64(random.below(60)) * millisecond
                _ = shard.take([TestSpan(trace: trace(number))], keepNothing, now: now)
            }
            let decided = shard.decideAll(now: now + wait * second + bucketWidth)
            precondition(decided.count == 199)
        }
        _ = result
    }
}

@Suite struct SegmentTests {
    /// A trace that is larger than many segments keeps every byte, in order, and its memory comes back.
    @Test func aHugeTraceSpansManySegments() {
        var shard = Shard(settings: smallSettings(), policies: keepErrors, now: 0)
        var expected: [[UInt8]] = []
        for batch in 0..<20 as Range<UInt64> {
            let spans = (0..<50 as Range<UInt64>).map {
                TestSpan(trace: trace(1), id: batch * 50 + $0 + 1, filler: 10_000 + Int($0) * 100)
            }
            expected += spans.map(\.bytes)
            _ = shard.take(spans, keepErrors, group: Int(batch % 4), now: 0)
        }
        let used = shard.usedSegmentBytes
        #expect(used >= 12_000_000 && used <= 12_500_000 + 2 * Shard.segmentBytes)
        let decided = shard.decideAll(now: 11 * second)
        #expect(decided.count == 1)
        #expect(decided[0].spans.map(\.span) == expected)
        #expect(decided[0].spans.enumerated().allSatisfy { $1.resource == TestGroup($0 / 50 % 4).resource })
        let (after, held) = (shard.usedSegmentBytes, shard.heldSegmentBytes)
        #expect(after == 0 && held >= used)
        for _ in 0..<20 { shard.trim() }
        let trimmed = shard.heldSegmentBytes
        #expect(trimmed == Shard.segmentBytes)
        shard.discardSpare()
        let left = shard.heldSegmentBytes
        #expect(left == 0)
    }

    /// One resource header for all spans of a group, not one for each span.
    @Test func groupsAreStoredOnce() {
        var shard = Shard(settings: smallSettings(), policies: keepNothing, now: 0)
        let group = TestGroup(1, filler: 100_000)
        for number in 0..<200 as Range<UInt64> {
            _ = shard.take(makeRequest([(group, [TestSpan(trace: trace(number))])]), keepNothing, now: 0)
        }
        let used = shard.usedSegmentBytes
        #expect(used == Shard.segmentBytes)
    }

    /// More groups than the open segment's table has slots: those in the way are forgotten, never mixed up.
    @Test func moreGroupsThanSlots() {
        var shard = Shard(settings: smallSettings(), policies: keepErrors, now: 0)
        var expected: Set<KeptSpan> = []
        var random = SeededGenerator(9)
        for round in 0..<5000 as Range<UInt64> {
            let group = TestGroup(random.below(1500))
            let span = TestSpan(trace: trace(round), id: round + 1)
            _ = shard.take(makeRequest([(group, [span])]), keepErrors, now: 0)
            expected.insert(KeptSpan(groupHash: 0, resource: group.resource, scope: group.scope, span: span.bytes))
        }
        let decided = shard.decideAll(now: 11 * second)
        let kept = decided.flatMap(\.spans).map { KeptSpan(groupHash: 0, resource: $0.resource, scope: $0.scope, span: $0.span) }
        #expect(kept.count == 5000 && Set(kept) == expected)
    }

    /// The largest span and group that are admitted.
    @Test func theLargestSpanFits() {
        var shard = Shard(settings: smallSettings(), policies: keepErrors, now: 0)
        var span = TestSpan(trace: trace(1))
        span.filler = Shard.maximumSpanBytes - span.bytes.count - 4
        var group = TestGroup(1)
        group.scope = Encode.bytes(1, [UInt8](repeating: 0x40, count: 0))
        group.resource = Encode.bytes(9, [UInt8](repeating: 1, count: Shard.maximumGroupBytes - group.scope.count - 4))
        #expect(span.bytes.count <= Shard.maximumSpanBytes && span.bytes.count >= Shard.maximumSpanBytes - 2)
        #expect(group.resource.count + group.scope.count == Shard.maximumGroupBytes)
        for number in 0..<10 as Range<UInt64> {
            span.id = number + 1
            let result = shard.take(makeRequest([(group, [span])]), keepErrors, now: 0)
            #expect(result.bufferedSpans == 1)
        }
        let decided = shard.decideAll(now: 11 * second)
        #expect(decided.first?.spans.count == 10)
        #expect(decided.first?.spans.last?.span == span.bytes && decided.first?.spans.last?.resource == group.resource)
    }

    /// Steady load over many windows: segments are reused, memory does not grow.
    @Test func steadyLoadUsesSteadyMemory() {
        var shard = Shard(settings: smallSettings(wait: second), policies: keepNothing, now: 0)
        var most = 0
        var mostEarly = 0
        var decided = 0
        for step in 0..<600 as Range<UInt64> {
            let now = Int64(step) * 20 * millisecond
            let spans = (0..<40 as Range<UInt64>).map { TestSpan(trace: trace(step * 40 + $0), filler: 2000) }
            _ = shard.take(spans, keepNothing, now: now)
            decided += shard.decideAll(now: now).count
            if step % 50 == 49 { shard.trim() }
            let held = shard.heldSegmentBytes
            most = max(most, held)
            if step < 120 { mostEarly = max(mostEarly, held) }
        }
        // 1 s of 40 spans of 2 KB every 20 ms: 4 MB.
        #expect(most <= 12 << 20)
        #expect(most <= mostEarly + Shard.segmentBytes)
        #expect(decided >= 545 * 40)
    }

    /// A segment that is never filled is freed, too, when nothing in it is needed.
    @Test func aTrickleHoldsOneSegment() {
        var shard = Shard(settings: smallSettings(wait: second), policies: keepErrors, now: 0)
        var kept = 0
        for step in 0..<2000 as Range<UInt64> {
            let now = Int64(step) * 100 * millisecond
            _ = shard.take([TestSpan(trace: trace(step), id: step + 1)], keepErrors, now: now)
            for trace in shard.decideAll(now: now) {
                kept += 1
                if trace.spans.count != 1 { kept += 1_000_000 }
            }
            let used = shard.usedSegmentBytes
            if used > 2 * Shard.segmentBytes { kept += 1_000_000 }
        }
        #expect(kept > 1900 && kept <= 2000)
        let rest = shard.decideAll(now: 0, early: true)
        let used = shard.usedSegmentBytes
        #expect(rest.count + kept == 2000 && used == 0)
    }
}

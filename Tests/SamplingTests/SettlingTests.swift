import ConfigTree
import OTLP
import TestSupport
import Testing

@testable import Sampling

private let errors = build([
    .map(["name": "errors", "type": "status_code", "status_code": .map(["status_codes": ["ERROR"]])])
]).set

private func trace(_ number: UInt64) -> TraceID { TraceID(high: 0xfeed, low: number) }

private func settings(_ change: (inout ShardSettings) -> Void = { _ in }) -> ShardSettings {
    var settings = ShardSettings()
    settings.decisionWait = 10 * second
    settings.maximumBytes = 256 << 20
    settings.sampledCacheSize = 1000
    settings.notSampledCacheSize = 1000
    change(&settings)
    return settings
}

/// `sampling_strategy: span-ingest`.
@Suite struct SpanIngestTests {
    @Test func aFragmentThatIsSampledTakesAllThatWaitedWithIt() throws {
        let policies = try #require(errors)
        var shard = Shard(settings: settings { $0.isSpanIngest = true }, policies: policies, now: 0)
        let first = shard.take([TestSpan(trace: trace(1), id: 1), TestSpan(trace: trace(2), id: 2)], policies, now: 0)
        let pending = shard.hasSettled
        #expect(first.newTraces == 2 && first.bufferedSpans == 2 && !pending)
        _ = shard.take([TestSpan(trace: trace(1), id: 3, status: 2), TestSpan(trace: trace(1), id: 4)], policies, now: second)
        let released = shard.decideAll(now: second)
        #expect(released.map(\.spanCount) == [3] && released[0].decision == Decision(verdict: .sampled, policy: 0))
        #expect(released[0].spans.count == 3)
        let (held, waiting) = (shard.bufferedSpans, shard.traceCount)
        #expect(held == 1 && waiting == 1)
        // From now on its spans go at once.
        let late = shard.take([TestSpan(trace: trace(1), id: 5)], policies, now: 2 * second)
        #expect(late.lateSampled == [0] && late.latePolicies == [0] && late.bufferedSpans == 0)
        // What nothing settled is not sampled when its time has come, without being asked again.
        let due = shard.decideAll(now: 10 * second + bucketWidth)
        #expect(due.map(\.decision) == [Decision(verdict: .notSampled, policy: nil)])
        let (left, used) = (shard.traceCount, shard.table.count)
        #expect(left == 0 && used == 0)
    }

    /// A request of many traces that all are settled by it: handing them out moves each at most once.
    @Test func handingOutManySettledTracesIsLinear() throws {
        let policies = try #require(errors)
        var shard = Shard(settings: settings { $0.isSpanIngest = true }, policies: policies, now: 0)
        let count = 5000
        let spans = (0..<count).map { TestSpan(trace: trace(UInt64($0)), status: 2) }
        _ = shard.take(spans, policies, now: 0)
        var order: [TraceID] = []
        while let decided = shard.nextDecision(now: 0) {
            order.append(decided.traceID)
            shard.finish(decided)
        }
        let moved = shard.settled.movedElements
        #expect(order == spans.map(\.trace) && moved <= count, "\(moved)")
    }

    /// With the caches off, a settled trace is remembered until its time.
    @Test func withoutCachesTheEntryRemembersUntilItsTime() throws {
        let policies = try #require(errors)
        let off = settings {
            $0.isSpanIngest = true
            $0.sampledCacheSize = 0
            $0.notSampledCacheSize = 0
        }
        var shard = Shard(settings: off, policies: policies, now: 0)
        _ = shard.take([TestSpan(trace: trace(1), status: 2)], policies, now: 0)
        _ = shard.decideAll(now: 0)
        let late = shard.take([TestSpan(trace: trace(1), id: 2)], policies, now: 4 * second)
        #expect(late.lateSampled == [0] && late.lateAges == [4] && late.latePolicies == [UInt16.max])
        _ = shard.decideAll(now: 10 * second + bucketWidth)
        let again = shard.take([TestSpan(trace: trace(1), id: 3)], policies, now: 11 * second)
        #expect(again.newTraces == 1)
    }

    @Test func fragmentsAreJudgedAloneButCountedTogether() throws {
        func status(_ name: ConfigNode, _ code: ConfigNode) -> ConfigNode {
            .map(["name": name, "type": "status_code", "status_code": .map(["status_codes": [code]])])
        }
        let both: ConfigNode = .map(["and_sub_policy": [status("e", "ERROR"), status("o", "OK")]])
        let four: ConfigNode = .map(["min_spans": 4])
        let built = build([
            .map(["name": "both", "type": "and", "and": both]),
            .map(["name": "four", "type": "span_count", "span_count": four]),
        ])
        let policies = try #require(built.set)
        var shard = Shard(settings: settings { $0.isSpanIngest = true }, policies: policies, now: 0)
        _ = shard.take([TestSpan(trace: trace(1), id: 1, status: 2)], policies, now: 0)
        _ = shard.take([TestSpan(trace: trace(1), id: 2, status: 1)], policies, now: 0)
        let none = shard.hasSettled
        #expect(!none, "neither fragment has both")
        // Two resources of one request are two fragments.
        let two = makeRequest([
            (TestGroup(1), [TestSpan(trace: trace(2), id: 1, status: 2)]),
            (TestGroup(2), [TestSpan(trace: trace(2), id: 2, status: 1)]),
        ])
        _ = shard.take(two, policies, now: 0)
        let still = shard.hasSettled
        #expect(!still)
        _ = shard.take([TestSpan(trace: trace(3), id: 1, status: 2), TestSpan(trace: trace(3), id: 2, status: 1)], policies, now: 0)
        let together = shard.decideAll(now: 0)
        #expect(together.map(\.decision) == [Decision(verdict: .sampled, policy: 0)])
        _ = shard.take([TestSpan(trace: trace(1), id: 3)], policies, now: 0)
        _ = shard.take([TestSpan(trace: trace(1), id: 4)], policies, now: 0)
        let counted = shard.decideAll(now: 0)
        #expect(counted.map(\.decision) == [Decision(verdict: .sampled, policy: 1)] && counted[0].spanCount == 4)
    }
}

/// `maximum_trace_size_bytes`.
@Suite struct TraceSizeTests {
    @Test func aTraceThatOutgrowsTheLimitIsNotSampledAtOnce() throws {
        let policies = try #require(errors)
        let span = TestSpan(trace: trace(1), id: 1, status: 2, filler: 100)
        let size = span.bytes.count
        for (limit, isOver) in [(3 * size, false), (3 * size - 1, true)] {
            for isSpanIngest in [false] {
                var shard = Shard(
                    settings: settings {
                        $0.tuning.maximumTraceBytes = limit
                        $0.isSpanIngest = isSpanIngest
                    }, policies: policies, now: 0)
                let result = shard.take([span, span, span], policies, now: 0)
                #expect(result.bufferedSpans == (isOver ? 2 : 3) && result.lateNotSampled == (isOver ? 1 : 0))
                let settled = shard.hasSettled
                #expect(settled == isOver)
                let decided = shard.decideAll(now: 0)
                #expect(decided.map(\.decision.verdict) == (isOver ? [.notSampled] : []))
                #expect(decided.map(\.spanCount) == (isOver ? [2] : []))
                let later = shard.take([span], policies, now: second)
                #expect(later.lateNotSampled == 1)
                let (held, bytes) = (shard.bufferedSpans, shard.bufferedBytes)
                let expected = isOver ? 0 : 3
                #expect(held == expected && bytes == expected * size)
                _ = shard.decideAll(now: 11 * second)
                let rest = shard.table.count
                #expect(rest == 0)
            }
        }
    }
}

@Suite struct LargeTraceTests {
    /// A large trace is read in parts, in order, while other traces are decided.
    @Test func isReadOverManyTurns() throws {
        let policies = try #require(errors)
        var shard = Shard(settings: settings { $0.largeTraceSpans = 100 }, policies: policies, now: 0)
        let big = (1...1000 as ClosedRange<UInt64>).map { TestSpan(trace: trace(1), id: $0, status: $0 == 7 ? 2 : 0) }
        for part in stride(from: 0, to: 1000, by: 90) {
            _ = shard.take(Array(big[part..<min(1000, part + 90)]), policies, group: part, now: 0)
        }
        _ = shard.take([TestSpan(trace: trace(2), status: 2)], policies, now: millisecond)
        let decided = shard.decideAll(now: 11 * second)
        #expect(decided.map(\.spanCount) == [1000, 1])
        #expect(decided.map { $0.spans.count } == [0, 1])
        let (isLarge, held, buffered) = (shard.hasLarge, shard.usedSegmentBytes, shard.bufferedSpans)
        #expect(isLarge && held > 0 && buffered == 0)
        // Late spans follow the decision also while it is being read.
        let late = shard.take([TestSpan(trace: trace(1), id: 5000)], policies, now: 12 * second)
        #expect(late.lateSampled == [0])
        var ids: [[UInt8]] = []
        var turns = 0
        while let part = shard.nextLargePart(limit: 64) {
            turns += 1
            #expect(part.spanCount <= 64 && part.decided.policyNumber == 0)
            for position in 0..<part.spanCount { shard.withSpan(position) { ids.append(array($3)) } }
            shard.freeDecided()
        }
        #expect(ids == big.map(\.bytes) && turns > 16)
        shard.freeDecided()
        let (left, used) = (shard.traceCount, shard.usedSegmentBytes)
        #expect(left == 0 && used == 0)
    }

    /// A recorded trace is read in parts, too, whatever the decision on it; late spans follow that decision meanwhile.
    @Test(arguments: [true, false]) func isRecordedInParts(isSampled: Bool) throws {
        let policies = try #require(errors)
        var shard = Shard(settings: settings { $0.largeTraceSpans = 100 }, policies: policies, now: 0)
        shard.recordingThreshold = .max
        let big = (1...500 as ClosedRange<UInt64>).map { TestSpan(trace: trace(1), id: $0, status: isSampled && $0 == 7 ? 2 : 0) }
        _ = shard.take(big, policies, now: 0)
        _ = shard.take([TestSpan(trace: trace(2))], policies, now: 0)
        let large = shard.nextDecision(now: 11 * second)
        #expect(large?.isLarge == true && large?.isRecorded == true && large?.isReadable == false)
        #expect(large?.decision.verdict == (isSampled ? .sampled : .notSampled))
        let next = shard.nextDecision(now: 11 * second)
        let small = try #require(next)
        #expect(small.isReadable && small.isRecorded && !small.isLarge)
        shard.finish(small)
        let late = shard.take([TestSpan(trace: trace(1), id: 5000)], policies, now: 12 * second)
        #expect(late.lateSampled.count == (isSampled ? 1 : 0) && late.lateNotSampled == (isSampled ? 0 : 1))
        var ids: [[UInt8]] = []
        while let part = shard.nextLargePart(limit: 64) {
            #expect(part.decided.isRecorded && part.decided.spanCount == 500 && part.decided.traceID == trace(1))
            for position in 0..<part.spanCount { shard.withSpan(position) { ids.append(array($3)) } }
        }
        #expect(ids == big.map(\.bytes))
        shard.freeDecided()
        let (left, used, buffered) = (shard.traceCount, shard.usedSegmentBytes, shard.bufferedSpans)
        #expect(left == 0 && used == 0 && buffered == 0)
    }

    /// Without its spans a shard decides the same.
    @Test func spansNeedNotBeKept() throws {
        let policies = try #require(errors)
        var shards: [[Decision]] = []
        for keeps in [true, false] {
            var shard = Shard(settings: settings { $0.keepsSpans = keeps }, policies: policies, now: 0)
            var random = SeededGenerator(3)
            for step in 0..<200 {
                let spans = (0..<50).map { _ in
                    TestSpan(trace: trace(UInt64(1 + step / 20 * 100 + random.below(200))), id: random.next() | 1, status: random.chance(1) ? 2 : 0, filler: 400)
                }
                _ = shard.take(spans, policies, now: Int64(step) * 10 * millisecond)
            }
            let held = shard.usedSegmentBytes
            #expect(keeps ? held > 2 << 20 : held <= 2 << 20)
            let decided = shard.decideAll(now: 60 * second)
            #expect(decided.reduce(0) { $0 + $1.spanCount } == 10_000 && decided.allSatisfy { $0.spanBytes >= $0.spanCount * 400 })
            shards.append(decided.map(\.decision))
        }
        #expect(shards[0] == shards[1] && shards[0].contains { $0.verdict == .sampled })
    }
}

import OTLP
import TestSupport
import Testing

@testable import Sampling

/// Spans that find no room are an answer, not the end of the process; the books balance.
@Suite struct RefusedSpanTests {
    static let keepAll = PolicySet(version: 1, policies: named(("all", FixedPolicy(.sampled))), predicates: PredicateCompiler())

    static func settings(isSpanIngest: Bool) -> ShardSettings {
        var settings = ShardSettings()
        settings.isSpanIngest = isSpanIngest
        // The least: 65,536 traces, and 64 MiB of segments.
        settings.maximumBytes = 1 << 20
        settings.sampledCacheSize = 0
        settings.notSampledCacheSize = 0
        return settings
    }

    /// A request of one span of about a megabyte; made of one run of bytes, since tests are not optimized.
    static func large(_ number: Int, bytes: Int = 1_000_000) -> [UInt8] {
        request([largeSpan(number, bytes: bytes)])
    }

    static func largeSpan(_ number: Int, bytes: Int) -> [UInt8] {
        TestSpan(trace: id(number)).bytes + Encode.bytes(5, [UInt8](repeating: 97, count: bytes))
    }

    /// Spans under one resource: with span-ingest one fragment of each trace.
    static func request(_ spans: [[UInt8]]) -> [UInt8] {
        Encode.bytes(1, Encode.bytes(2, spans.flatMap { Encode.bytes(2, $0) }))
    }

    static func id(_ number: Int) -> TraceID { TraceID(high: 3, low: UInt64(number + 1)) }

    /// A peer's request can hold what a client's can't: it is not cut by `leaveOutOversized`.
    @Test(arguments: [false, true]) func aSpanLargerThanASegmentIsLeftOut(isSpanIngest: Bool) {
        var shard = Shard(settings: Self.settings(isSpanIngest: isSpanIngest), policies: Self.keepAll, now: 0)
        let small = TestSpan(trace: Self.id(1))
        let same = TestSpan(trace: Self.id(1), id: 2)
        let body = Self.request([small.bytes, Self.largeSpan(2, bytes: 2 << 20), same.bytes])
        let result = shard.take(body, Self.keepAll, now: 0)
        #expect(result.bufferedSpans == 2 && result.oversizedSpans == 1 && result.spansWithoutRoom == 0)
        #expect(result.newTraces == 1)
        // Its group is too large for a segment beside the smallest span.
        let group = TestGroup(1, filler: 2 << 20)
        let other = shard.take(makeRequest([(group, [TestSpan(trace: Self.id(3)), TestSpan(trace: Self.id(3), id: 2)])]), Self.keepAll, now: 0)
        #expect(other.bufferedSpans == 0 && other.oversizedSpans == 2 && other.newTraces == 0)
        // One that is just not too large is taken, though a client may not send it.
        let taken = shard.take(Self.large(4, bytes: SegmentStore.segmentBytes - 400), Self.keepAll, now: 0)
        #expect(taken.bufferedSpans == 1)
        let traces = shard.traceCount
        #expect(traces == 2)
        let decided = shard.decideAll(now: 60 * second)
        #expect(decided.reduce(0) { $0 + $1.spanCount } == 3 && decided.allSatisfy { $0.spans.count == $0.spanCount })
        let (spans, left) = (shard.bufferedSpans, shard.usedSegmentBytes)
        #expect(spans == 0 && left == 0)
    }

    /// The first spans of one trace find no room, the next does: it is a trace like any other.
    @Test(arguments: [false, true]) func aTraceGoesOnBehindWhatWasRefused(isSpanIngest: Bool) {
        var shard = Shard(settings: Self.settings(isSpanIngest: isSpanIngest), policies: Self.keepAll, now: 0)
        let large = Self.largeSpan(2, bytes: 2 << 20)
        let small = [TestSpan(trace: Self.id(2), id: 3).bytes, TestSpan(trace: Self.id(9), id: 4).bytes]
        let result = shard.take(Self.request([large, large] + small + [large]), Self.keepAll, now: 0)
        #expect(result.bufferedSpans == 2 && result.oversizedSpans == 3 && result.newTraces == 2)
        let decided = shard.decideAll(now: 60 * second)
        #expect(decided.count == 2 && decided.allSatisfy { $0.spanCount == 1 && $0.spans.count == 1 })
    }

    @Test(arguments: [false, true]) func fullSegmentsRefuse(isSpanIngest: Bool) {
        var shard = Shard(settings: Self.settings(isSpanIngest: isSpanIngest), policies: Self.keepAll, now: 0)
        var sum = IngestResult()
        for number in 0..<80 {
            let result = shard.take(Self.large(number), Self.keepAll, now: 0)
            sum.bufferedSpans += result.bufferedSpans
            sum.spansWithoutRoom += result.spansWithoutRoom
            sum.newTraces += result.newTraces
        }
        #expect(sum.bufferedSpans + sum.spansWithoutRoom == 80 && sum.spansWithoutRoom > 0)
        #expect(sum.newTraces == sum.bufferedSpans && sum.bufferedSpans >= 60)
        let (traces, spans) = (shard.traceCount, shard.bufferedSpans)
        if !isSpanIngest { #expect(traces == sum.bufferedSpans && spans == sum.bufferedSpans) }
        let decided = shard.decideAll(now: 60 * second)
        #expect(decided.count == sum.bufferedSpans && decided.allSatisfy { $0.spans.count == 1 })
        // There is room again.
        let again = shard.take(Self.large(100), Self.keepAll, now: 61 * second)
        #expect(again.bufferedSpans == 1)
    }

    @Test(arguments: [false, true]) func aFullTableRefuses(isSpanIngest: Bool) {
        var shard = Shard(settings: Self.settings(isSpanIngest: isSpanIngest), policies: Self.keepAll, now: 0)
        var buffered = 0
        var refused = 0
        for request in 0..<70 {
            let spans = (0..<1000).map { TestSpan(trace: Self.id(request * 1000 + $0)) }
            let result = shard.take(spans, Self.keepAll, now: 0)
            buffered += result.bufferedSpans
            refused += result.spansWithoutRoom
            #expect(result.newTraces == result.bufferedSpans)
        }
        #expect(buffered == 65_536 && refused == 70_000 - 65_536)
        // A trace that is in takes more spans; one that another node hands over finds no room, and neither do its spans.
        let known = shard.take([TestSpan(trace: Self.id(0), id: 2)], Self.keepAll, now: 0)
        #expect(isSpanIngest || known.bufferedSpans == 1)
        let handed = index(makeRequest([(TestGroup(0), [TestSpan(trace: Self.id(99_999))])]), Self.keepAll).records[0]
        let isNew = shard.adopt(handed, age: 0, remaining: second, grace: 0, policyVersion: 1, now: 0)
        let spans = shard.take([TestSpan(trace: Self.id(99_999))], Self.keepAll, now: 0)
        #expect(!isNew && spans.spansWithoutRoom == 1 && spans.bufferedSpans == 0)
    }

    /// What a handed-over trace is made of may be refused; then nothing is left to decide on.
    @Test func anAdoptedTraceWithoutSpansIsForgotten() {
        var shard = Shard(settings: Self.settings(isSpanIngest: false), policies: Self.keepAll, now: 0)
        let body = Self.large(1, bytes: 2 << 20)
        let isNew = shard.adopt(index(body, Self.keepAll).records[0], age: 0, remaining: second, grace: 0, policyVersion: 1, now: 0)
        let result = shard.take(body, Self.keepAll, now: 0)
        let traces = shard.traceCount
        #expect(isNew && result.oversizedSpans == 1 && traces == 0)
        let decided = shard.decideAll(now: 60 * second)
        #expect(decided.isEmpty)
    }

    /// A version that came with a request whose only span was refused goes with it.
    @Test func aVersionWithoutTracesGoes() {
        let old = PolicyVersion(number: 1, policies: Self.keepAll)
        let new = PolicyVersion(number: 2, policies: Self.keepAll)
        var shard = Shard(settings: Self.settings(isSpanIngest: false), version: old, keys: testKeys, now: 0)
        shard.install(new)
        let body = Self.large(1, bytes: 2 << 20)
        let result = shard.ingest(body: body.span, index: index(body, Self.keepAll), shard: 0, of: 1, now: 0, version: old)
        let versions = shard.versionsInUse
        #expect(result.oversizedSpans == 1 && versions == [VersionUse(number: 2, traces: 0)])
    }
}

import ConfigTree
import OTLP
import TestSupport
import Testing

@testable import Sampling

/// Random spans in random batches over random time through one to four shards, against a model that keeps everything in
/// plain dictionaries and evaluates the policies straightforwardly over the complete trace.
@Suite struct ShardPropertyTests {
    struct Span {
        var group: TestGroup
        var span: TestSpan
        var bytes: [UInt8]
    }

    struct Undecided {
        var spans: [Span] = []
        var deadline: Int64
    }

    /// What the policies of `policies()` say of a trace, written without looking at theirs.
    static func evaluate(_ spans: [TestSpan]) -> Decision {
        if spans.contains(where: { $0.status == 2 }) { return Decision(verdict: .sampled, policy: 0) }
        let timed = spans.filter { $0.start != 0 }
        let extent = Int64(timed.map(\.end).max() ?? 0) - Int64(timed.map(\.start).min() ?? 0)
        if extent / 1_000_000 >= 1000 { return Decision(verdict: .sampled, policy: 1) }
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in Array("default-hash-seed".utf8) + (spans.first?.trace.bytes ?? []) {
            hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3
        }
        // 20 %.
        if hash <= 0x3333_3333_3333_33ff { return Decision(verdict: .sampled, policy: 2) }
        return Decision(verdict: .notSampled, policy: nil)
    }

    static func policies() -> PolicySet? {
        build([
            .map(["name": "errors", "type": "status_code", "status_code": .map(["status_codes": ["ERROR"]])]),
            .map(["name": "slow", "type": "latency", "latency": .map(["threshold_ms": 1000])]),
            .map(["name": "some", "type": "probabilistic", "probabilistic": .map(["sampling_percentage": 20])]),
        ]).set
    }

    /// The shards side by side; a class, since arrays can't hold them.
    final class OneShard {
        var shard: Shard
        init(_ shard: consuming Shard) { self.shard = shard }
    }

    struct Run {
        var random: SeededGenerator
        let policies: PolicySet
        let settings: ShardSettings
        let shards: [OneShard]
        var now: Int64
        var undecided: [TraceID: Undecided] = [:]
        var remembered: [TraceID: Verdict] = [:]
        var problems: [String] = []
        var accepted = 0
        var ended = 0
        var nextTrace: UInt64 = 1

        init?(seed: UInt64) {
            random = SeededGenerator(seed)
            guard let policies = ShardPropertyTests.policies() else { return nil }
            self.policies = policies
            var settings = ShardSettings()
            settings.decisionWait = [200 * millisecond, second, 3 * second][random.below(3)]
            settings.decisionWaitAfterRootReceived = random.chance(40) ? Int64(random.below(500)) * millisecond : 0
            settings.maximumBytes = 64 << 20
            if random.chance(30) { settings.sampledCacheSize = 0 }
            if random.chance(30) { settings.notSampledCacheSize = 0 }
            self.settings = settings
            let start = Int64(random.below(1_000_000_000)) * 1000
            now = start
            let count = 1 + random.below(4)
            shards = (0..<count).map { _ in OneShard(Shard(settings: settings, policies: policies, now: start)) }
        }

        mutating func fail(_ text: String) { if problems.count < 5 { problems.append("\(now): \(text)") } }

        mutating func pickTrace() -> TraceID {
            if random.chance(35) || nextTrace < 3 {
                nextTrace += 1
                return TraceID(high: random.next(), low: random.chance(20) ? 7 : random.next() | 1)
            }
            let known = random.chance(25) && !remembered.isEmpty ? Array(remembered.keys) : Array(undecided.keys)
            guard let any = known.sorted(by: { ($0.high, $0.low) < ($1.high, $1.low) }).randomElement(using: &random) else {
                return TraceID(high: 1, low: random.next() | 1)
            }
            return any
        }

        mutating func makeSpan() -> TestSpan {
            let base: UInt64 = 1_700_000_000_000_000_000
            let start = base + UInt64(random.below(600)) * 1_000_000
            var span = TestSpan(trace: pickTrace(), id: random.next() | 1)
            span.isRoot = random.chance(15)
            span.start = random.chance(3) ? 0 : start
            span.end = random.chance(3) ? 0 : start + UInt64(random.below(700)) * 1_000_000
            span.status = random.chance(5) ? 2 : UInt64(random.below(2))
            span.filler = random.below(random.chance(2) ? 60_000 : 300)
            return span
        }

        mutating func send() {
            var groups: [(TestGroup, [TestSpan])] = []
            for _ in 0..<1 + random.below(3) {
                groups.append((TestGroup(random.below(6)), (0..<random.below(8)).map { _ in makeSpan() }))
            }
            let body = makeRequest(groups)
            let walked = index(body, policies)
            let flat = groups.flatMap { group, spans in spans.map { Span(group: group, span: $0, bytes: $0.bytes) } }
            guard walked.records.count == flat.count else { return fail("the walker lost spans") }
            accepted += flat.count
            var expected = IngestResult()
            var lateSampled: [UInt32] = []
            for (position, item) in flat.enumerated() {
                let id = item.span.trace
                if undecided[id] == nil, let verdict = remembered[id] {
                    ended += 1
                    switch verdict {
                    case .sampled: lateSampled.append(UInt32(position))
                    case .notSampled: expected.lateNotSampled += 1
                    case .dropped: expected.lateDropped += 1
                    }
                    continue
                }
                if undecided[id] == nil { expected.newTraces += 1 }
                undecided[id, default: Undecided(deadline: now + settings.decisionWait)].spans.append(item)
                if item.span.isRoot && settings.decisionWaitAfterRootReceived > 0, let deadline = undecided[id]?.deadline {
                    undecided[id]?.deadline = min(deadline, now + settings.decisionWaitAfterRootReceived)
                }
                expected.bufferedSpans += 1
                expected.bufferedBytes += item.bytes.count
            }
            var sum = IngestResult()
            for (number, one) in shards.enumerated() {
                let result = one.shard.ingest(
                    body: body.span, index: walked, shard: UInt64(number), of: UInt64(shards.count), now: now)
                sum.bufferedSpans += result.bufferedSpans
                sum.bufferedBytes += result.bufferedBytes
                sum.newTraces += result.newTraces
                sum.lateNotSampled += result.lateNotSampled
                sum.lateDropped += result.lateDropped
                sum.lateSampled += result.lateSampled
            }
            if sum.lateSampled.sorted() != lateSampled { fail("late sampled \(sum.lateSampled) for \(lateSampled)") }
            sum.lateSampled = []
            if "\(sum)" != "\(expected)" { fail("ingest \(sum) for \(expected)") }
        }

        mutating func tick(early: Bool = false) {
            for one in shards {
                for decided in one.shard.decideAll(now: now, early: early) { settle(decided, early: early) }
            }
            if !early {
                for (id, trace) in undecided where trace.deadline + bucketWidth <= now {
                    fail("\(id) is overdue by \(now - trace.deadline)")
                    undecided[id] = nil
                }
            }
            let (spans, traces) = shards.reduce((0, 0)) { ($0.0 + $1.shard.bufferedSpans, $0.1 + $1.shard.traceCount) }
            if spans != undecided.values.reduce(0, { $0 + $1.spans.count }) || traces != undecided.count {
                fail("\(spans) spans, \(traces) traces held")
            }
        }

        mutating func settle(_ decided: Decided, early: Bool) {
            if decided.deadline > now && !early { fail("decided early") }
            let bytes = { (trace: Undecided) in trace.spans.reduce(0) { $0 + $1.bytes.count } }
            // A trace that is not sampled can't be read; deadline, count and bytes tell which one it was.
            let id: TraceID? =
                if decided.decision.verdict == .sampled, let first = decided.spans.first {
                    undecided.first { $0.value.deadline == decided.deadline && $0.value.spans[0].bytes == first.span }?.key
                } else {
                    undecided.first {
                        $0.value.deadline == decided.deadline && $0.value.spans.count == decided.spanCount
                            && bytes($0.value) == decided.spanBytes
                            && $0.value.spans.contains { $0.span.isRoot } == decided.hasRoot
                            && ShardPropertyTests.evaluate($0.value.spans.map(\.span)) == decided.decision
                    }?.key
                }
            guard let id, let trace = undecided.removeValue(forKey: id) else {
                return fail("nobody waits for \(decided.decision) on \(decided.spanCount) spans")
            }
            let expected = ShardPropertyTests.evaluate(trace.spans.map(\.span))
            if decided.decision != expected { fail("\(id): \(decided.decision) for \(expected)") }
            if decided.deadline != trace.deadline { fail("\(id): deadline") }
            if decided.spanCount != trace.spans.count || decided.spanBytes != bytes(trace) { fail("\(id): count or bytes") }
            if decided.hasRoot != trace.spans.contains(where: { $0.span.isRoot }) { fail("\(id): root") }
            if expected.verdict == .sampled {
                let equal = decided.spans.elementsEqual(trace.spans) {
                    $0.span == $1.bytes && $0.resource == $1.group.resource && $0.scope == $1.group.scope
                }
                if !equal { fail("\(id): kept spans differ") }
            }
            ended += trace.spans.count
            let size = expected.verdict == .sampled ? settings.sampledCacheSize : settings.notSampledCacheSize
            if size > 0 { remembered[id] = expected.verdict }
        }
    }

    @Test(arguments: 0..<48 as Range<UInt64>)
    func everySpanEndsOnceAndEveryTraceIsDecidedInTime(seed: UInt64) throws {
        var run = try #require(Run(seed: seed))
        for step in 0..<250 {
            // Ticks come every 10 ms at most; sends anywhere between.
            run.now += Int64(run.random.below(10)) * millisecond + Int64(run.random.below(1_000_000))
            if run.random.chance(55) { run.send() }
            run.tick()
            if step % 60 == 0 { for one in run.shards { one.shard.trim() } }
        }
        if seed % 2 == 0 {
            run.tick(early: true)
        } else {
            let end = run.now + run.settings.decisionWait + bucketWidth
            while run.now < end {
                run.now += 10 * millisecond
                run.tick()
            }
        }
        #expect(run.problems == [])
        #expect(run.undecided.isEmpty)
        #expect(run.accepted == run.ended && run.accepted > 500)
        for one in run.shards {
            let used = one.shard.usedSegmentBytes
            #expect(used == 0)
        }
    }

    /// Each span goes to exactly one shard, and shards are about equally loaded.
    @Test(arguments: 1...8 as ClosedRange<UInt64>) func tracesAreSpreadEvenly(shards: UInt64) {
        var counts = [Int](repeating: 0, count: Int(shards))
        for number in 0..<80_000 as Range<UInt64> {
            counts[Int(Shard.number(of: testKeys.hash(TraceID(high: 0, low: number)), among: shards))] += 1
        }
        let mean = 80_000 / Double(shards)
        #expect(counts.allSatisfy { abs(Double($0) - mean) < 5 * mean.squareRoot() })
    }
}

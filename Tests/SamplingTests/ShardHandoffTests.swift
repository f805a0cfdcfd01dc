import ConfigTree
import OTLP
import Testing

@testable import Sampling

@Suite struct ShardHandoffTests {
    static func settings() -> ShardSettings {
        var settings = ShardSettings()
        settings.decisionWait = 10 * second
        settings.maximumBytes = 64 << 20
        settings.sampledCacheSize = 64
        settings.notSampledCacheSize = 64
        return settings
    }

    static func trace(_ number: UInt64) -> TraceID { TraceID(high: number, low: number) }

    /// Keeps traces with an error.
    static func policies() throws -> PolicySet {
        try #require(
            build([.map(["name": "errors", "type": "status_code", "status_code": .map(["status_codes": ["ERROR"]])])]).set)
    }

    /// Everything that moves, in the order of the sweep: id, deadline, spans.
    static func sweepAll(
        _ shard: inout Shard, now: Int64, isMoved: (TraceID) -> Bool
    ) -> [(id: TraceID, deadline: Int64, age: Int64, spans: [[UInt8]])] {
        var cursor = shard.beginSweep()
        var moved: [(id: TraceID, deadline: Int64, age: Int64, spans: [[UInt8]])] = []
        while !cursor.hasEnded {
            guard let trace = shard.nextMoved(&cursor, limit: 3, now: now, isMoved: isMoved) else { continue }
            var spans: [[UInt8]] = []
            for position in 0..<trace.spanCount { shard.withSpan(position) { spans.append(array($3)) } }
            moved.append((trace.traceID, trace.deadline, trace.age, spans))
            shard.release(trace)
        }
        return moved
    }

    @Test func movedTracesComeOutOldestFirstAndAreGone() throws {
        let policies = try Self.policies()
        var shard = Shard(settings: Self.settings(), policies: policies, now: 0)
        for number in 1...20 as ClosedRange<UInt64> {
            for id in [1, 2] as [UInt64] {
                _ = shard.take(
                    [TestSpan(trace: Self.trace(number), id: id, status: 2)], policies,
                    now: Int64(number) * 100 * millisecond + Int64(id))
            }
        }
        let moved = Self.sweepAll(&shard, now: 5 * second) { $0.low % 2 == 0 }
        #expect(moved.map(\.id) == (1...10).map { Self.trace(2 * $0) })
        #expect(moved.map(\.deadline) == moved.map(\.deadline).sorted() && moved[0].deadline == 10_200 * millisecond + 1)
        #expect(abs(moved[0].age - 4800 * millisecond) <= millisecond)
        #expect(moved.allSatisfy { $0.spans.count == 2 })
        #expect(shard.traceCount == 10 && shard.bufferedSpans == 20)
        // The others are decided as if nothing had been.
        let decided = shard.decideAll(now: 20 * second)
        #expect(decided.count == 10 && decided.allSatisfy { $0.spanCount == 2 && $0.decision.verdict == .sampled })
        let used = shard.usedSegmentBytes
        #expect(shard.bufferedSpans == 0 && shard.bufferedBytes == 0 && used == 0)
    }

    @Test func theFrontierNeverPassesATraceThatHasNotBeenSeen() throws {
        let policies = try Self.policies()
        var shard = Shard(settings: Self.settings(), policies: policies, now: 0)
        for number in 1...50 as ClosedRange<UInt64> {
            _ = shard.take([TestSpan(trace: Self.trace(number))], policies, now: Int64(number) * 40 * millisecond)
        }
        var cursor = shard.beginSweep()
        var seen: Set<TraceID> = []
        while !cursor.hasEnded {
            _ = shard.nextMoved(&cursor, limit: 1, now: 3 * second) {
                seen.insert($0)
                return false
            }
            let frontier = cursor.frontier
            for number in 1...50 as ClosedRange<UInt64> where !seen.contains(Self.trace(number)) {
                #expect(Int64(number) * 40 * millisecond + 10 * second >= frontier)
            }
        }
        #expect(seen.count == 50 && shard.traceCount == 50)
        // Up to the frontier of a sweep, only what the sweep has passed is decided.
        var second_ = shard.beginSweep()
        while second_.frontier < 11 * second { _ = shard.nextMoved(&second_, limit: 1, now: 3 * second) { _ in false } }
        #expect(shard.decideAll(now: second_.frontier).count <= 26)
    }

    /// (remaining, grace) -> when it is decided, seconds from its adoption; `decision_wait` is 10 s. One that began where it is a
    /// minute has its minute; nobody's day is believed.
    @Test(arguments: [(6.0, 0.5, 6.0), (-3, 0.5, 0.5), (0.2, 0.5, 0.5), (60, 0.5, 60), (86_400, 0.5, 3600), (-1, 60, 10)] as [(Double, Double, Double)])
    func anAdoptedTraceIsDueAtItsOriginalTime(remaining: Double, grace: Double, due: Double) throws {
        let policies = try Self.policies()
        var shard = Shard(settings: Self.settings(), policies: policies, now: 0)
        let now = 100 * second
        let body = makeRequest([(TestGroup(1), [TestSpan(trace: Self.trace(1), status: 2)])])
        let walked = index(body, policies)
        let isNew = shard.adopt(
            walked.records[0], age: 4 * second, remaining: Int64(remaining * 1e9), grace: Int64(grace * 1e9),
            policyVersion: 1, now: now)
        #expect(isNew)
        let result = shard.ingest(body: body.span, index: walked, shard: 0, of: 1, now: now)
        #expect(result.newTraces == 0 && result.bufferedSpans == 1)
        let deadline = now + Int64(due * 1e9)
        #expect(shard.decideAll(now: deadline).isEmpty)
        let decided = shard.decideAll(now: deadline + bucketWidth)
        #expect(decided.count == 1 && decided[0].deadline == deadline && decided[0].spans.count == 1)
    }

    /// A reload changes the wait: of what is handed over the remaining time counts, and where grace ends early it is the new wait.
    @Test(arguments: [(2, 60, 58.0, 58.0), (60, 2, 58, 58), (2, 60, -1, 5), (60, 2, -1, 2)] as [(Int64, Int64, Double, Double)])
    func anAdoptedTraceFollowsNoWaitOfTheStart(start: Int64, reloaded: Int64, remaining: Double, due: Double) throws {
        let policies = try Self.policies()
        var settings = Self.settings()
        settings.decisionWait = start * second
        let version = PolicyVersion(number: 1, policies: policies)
        var shard = Shard(settings: settings, version: version, keys: testKeys, now: 0)
        var tuning = settings.tuning
        tuning.decisionWait = reloaded * second
        shard.install(version, tuning: tuning)
        let now = 100 * second
        let body = makeRequest([(TestGroup(1), [TestSpan(trace: Self.trace(1), status: 2)])])
        let walked = index(body, policies)
        _ = shard.adopt(
            walked.records[0], age: 2 * second, remaining: Int64(remaining * 1e9), grace: 5 * second, policyVersion: 1, now: now)
        _ = shard.ingest(body: body.span, index: walked, shard: 0, of: 1, now: now)
        let deadline = now + Int64(due * 1e9)
        let before = shard.decideAll(now: deadline)
        let after = shard.decideAll(now: deadline + bucketWidth)
        #expect(before.isEmpty && after.count == 1 && after.first?.deadline == deadline)
    }

    /// What a peer says may be any number.
    @Test(arguments: [Int64.max, .min, 0, -1]) func anyRemainingTimeIsTaken(remaining: Int64) throws {
        let policies = try Self.policies()
        var shard = Shard(settings: Self.settings(), policies: policies, now: 0)
        let body = makeRequest([(TestGroup(1), [TestSpan(trace: Self.trace(1))])])
        let walked = index(body, policies)
        for age in [Int64.max, .min, 0] {
            _ = shard.adopt(walked.records[0], age: age, remaining: remaining, grace: second, policyVersion: 1, now: 100 * second)
        }
        _ = shard.ingest(body: body.span, index: walked, shard: 0, of: 1, now: 100 * second)
        let decided = shard.decideAll(now: 100 * second + 3601 * second)
        #expect(decided.count == 1)
    }

    @Test func spansThatAreHereAlreadyAreDecidedWithIt() throws {
        let policies = try Self.policies()
        var shard = Shard(settings: Self.settings(), policies: policies, now: 0)
        _ = shard.take([TestSpan(trace: Self.trace(1), id: 1)], policies, now: 100 * second)
        let body = makeRequest([(TestGroup(1), [TestSpan(trace: Self.trace(1), id: 2, status: 2)])])
        let walked = index(body, policies)
        let isNew = shard.adopt(
            walked.records[0], age: 8 * second, remaining: 2 * second, grace: second, policyVersion: 1, now: 101 * second)
        #expect(!isNew)
        _ = shard.ingest(body: body.span, index: walked, shard: 0, of: 1, now: 101 * second)
        let decided = shard.decideAll(now: 103 * second + bucketWidth)
        #expect(decided.count == 1 && decided[0].spanCount == 2 && decided[0].deadline == 103 * second)
        #expect(decided[0].decision.verdict == .sampled)
    }

    @Test func spansOfATraceThatWasDecidedHereAreLate() throws {
        let policies = try Self.policies()
        var shard = Shard(settings: Self.settings(), policies: policies, now: 0)
        _ = shard.take([TestSpan(trace: Self.trace(1))], policies, now: 0)
        #expect(shard.decideAll(now: 11 * second).count == 1)
        let body = makeRequest([(TestGroup(1), [TestSpan(trace: Self.trace(1), id: 2, status: 2)])])
        let walked = index(body, policies)
        let isNew = shard.adopt(
            walked.records[0], age: 0, remaining: second, grace: second, policyVersion: 1, now: 12 * second)
        let result = shard.ingest(body: body.span, index: walked, shard: 0, of: 1, now: 12 * second)
        #expect(!isNew && result.lateNotSampled == 1 && shard.traceCount == 0)
    }

    @Test func decisionsAreHandedOverAndFollowed() throws {
        let policies = try Self.policies()
        var old = Shard(settings: Self.settings(), policies: policies, now: 0)
        for number in 1...30 as ClosedRange<UInt64> {
            _ = old.take([TestSpan(trace: Self.trace(number), status: number % 3 == 0 ? 2 : 0)], policies, now: 0)
        }
        #expect(old.decideAll(now: 11 * second).count == 30)
        var cursor = old.beginSweep()
        var moved: [(TraceID, Decision, Int)] = []
        while !cursor.hasDecisionsEnded {
            old.sweepDecisions(&cursor, limit: 8, maximumAge: 60, now: 15 * second) { moved.append(($0, $1, $2)) }
        }
        #expect(moved.count == 30 && moved.allSatisfy { $0.2 == 4 })
        #expect(moved.allSatisfy { ($0.1.verdict == .sampled) == ($0.0.low % 3 == 0) })
        var tooOld = old.beginSweep()
        while !tooOld.hasDecisionsEnded {
            old.sweepDecisions(&tooOld, limit: 8, maximumAge: 3, now: 15 * second) { _, _, _ in Issue.record("too old") }
        }

        var new = Shard(settings: Self.settings(), policies: policies, now: 0)
        // Spans of trace 3 (sampled) and 4 (not sampled) came here before the decision did.
        _ = new.take([TestSpan(trace: Self.trace(3)), TestSpan(trace: Self.trace(4))], policies, now: 15 * second)
        var settled = 0
        for (id, decision, age) in moved {
            switch new.adopt(decision, of: id, hash: testKeys.hash(id), age: age, now: 16 * second) {
            case .remembered: break
            case .known, .conflicting: Issue.record("\(id) is new here")
            case .settled(let trace):
                settled += 1
                #expect(trace.decision == decision && trace.spanCount == 1)
                if decision.verdict == .sampled {
                    new.withSpan(0) { #expect(array($3) == TestSpan(trace: id).bytes) }
                    new.finish(trace)
                }
            }
        }
        #expect(settled == 2 && new.bufferedSpans == 0 && new.traceCount == 0)
        let late = new.take([TestSpan(trace: Self.trace(6)), TestSpan(trace: Self.trace(7))], policies, now: 17 * second)
        #expect(late.lateSampled.count == 1 && late.lateNotSampled == 1 && late.lateAges == [5, 5])
        let six = Self.trace(6)
        guard case .known = new.adopt(Decision(verdict: .sampled, policy: 0), of: six, hash: testKeys.hash(six), age: 0, now: 18 * second),
            case .conflicting = new.adopt(Decision(verdict: .dropped, policy: 0), of: six, hash: testKeys.hash(six), age: 0, now: 18 * second)
        else {
            Issue.record("a decision is kept")
            return
        }
        #expect(new.decideAll(now: 60 * second).isEmpty)
    }
}
